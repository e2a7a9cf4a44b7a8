using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    private const int SOCK_NONBLOCK = 0x800;
    private const int SOL_SOCKET = 1;
    private const int SCM_RIGHTS = 1;
    private const int MSG_CMSG_CLOEXEC = 0x40000000;
    private const int MaximumDescriptors = 8;

    [LibraryImport(Library, EntryPoint = "bind", SetLastError = true)]
    private static partial int bind(SafeHandle socket, byte* address, uint length);

    [LibraryImport(Library, EntryPoint = "listen", SetLastError = true)]
    private static partial int listen(SafeHandle socket, int backlog);

    [LibraryImport(Library, EntryPoint = "connect", SetLastError = true)]
    private static partial int connect(SafeHandle socket, byte* address, uint length);

    [LibraryImport(Library, EntryPoint = "accept4", SetLastError = true)]
    private static partial SafeFileHandle accept4(SafeHandle socket, byte* address, uint* length, int flags);

    [LibraryImport(Library, EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint sendmsg(SafeHandle socket, MessageHeader* message, int flags);

    [LibraryImport(Library, EntryPoint = "recvmsg", SetLastError = true)]
    private static partial nint recvmsg(SafeHandle socket, MessageHeader* message, int flags);

    /// <summary>Creates a SOCK_STREAM unix socket with a name in a folder, and listens (unix(7)). The handle is invalid on failure.</summary>
    internal static SafeFileHandle Listen(SafeHandle folder, string name, out Errno errno)
    {
        const int Backlog = 8;
        byte* address = stackalloc byte[AddressSize];
        SafeFileHandle opened = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        errno = Result(opened);
        errno = errno != 0 ? errno : Result(bind(opened, address, WriteAddress(address, folder, name)));
        errno = errno != 0 ? errno : Result(listen(opened, Backlog));
        return opened;
    }

    /// <summary>Connects to a SOCK_STREAM unix socket with a name in a folder. The handle is invalid on failure.</summary>
    internal static SafeFileHandle Connect(SafeHandle folder, string name, out Errno errno)
    {
        byte* address = stackalloc byte[AddressSize];
        SafeFileHandle opened = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        errno = Result(opened);
        errno = errno != 0 ? errno : Result(connect(opened, address, WriteAddress(address, folder, name)));
        return opened;
    }

    /// <summary>Accepts a connection (accept(2)). The handle is invalid on failure.</summary>
    internal static SafeFileHandle Accept(SafeHandle listener, bool waits, out Errno errno)
    {
        SafeFileHandle accepted = accept4(listener, null, null, SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK));
        errno = Result(accepted);
        return accepted;
    }

    /// <summary>Sends a message with copies of descriptors (SCM_RIGHTS of unix(7)).</summary>
    internal static Errno SendDescriptors(SafeHandle socket, ReadOnlySpan<byte> message, params ReadOnlySpan<SafeFileHandle> descriptors)
    {
        byte* control = stackalloc byte[ControlSize];
        int length = sizeof(ControlHeader) + (descriptors.Length * sizeof(int));
        *(ControlHeader*)control = new ControlHeader { Length = (nuint)length, Level = SOL_SOCKET, Type = SCM_RIGHTS };
        for (int i = 0; i < descriptors.Length; i++)
        {
            ((int*)(control + sizeof(ControlHeader)))[i] = (int)descriptors[i].DangerousGetHandle();
        }

        fixed (byte* data = message)
        {
            var part = new Part { Base = data, Length = (nuint)message.Length };
            var header = new MessageHeader { Parts = &part, PartCount = 1, Control = descriptors.IsEmpty ? null : control, ControlLength = descriptors.IsEmpty ? 0 : (nuint)length };
            while (true)
            {
                Errno errno = sendmsg(socket, &header, MSG_NOSIGNAL) < 0 ? LastError : Errno.None;
                if (errno != Errno.EINTR)
                {
                    return errno;
                }
            }
        }
    }

    /// <summary>Receives a message and the descriptors that come with it, close-on-exec; waits for it unless the socket does not wait.</summary>
    /// <returns>The length; 0 if the peer has closed the socket, -1 on failure.</returns>
    internal static int ReceiveDescriptors(SafeHandle socket, Span<byte> message, List<SafeFileHandle> descriptors)
    {
        byte* control = stackalloc byte[ControlSize];
        fixed (byte* data = message)
        {
            var part = new Part { Base = data, Length = (nuint)message.Length };
            var header = new MessageHeader { Parts = &part, PartCount = 1, Control = control, ControlLength = ControlSize };
            nint length;
            while ((length = recvmsg(socket, &header, MSG_CMSG_CLOEXEC)) < 0 && LastError == Errno.EINTR)
            {
                header.ControlLength = ControlSize;
            }

            var received = (ControlHeader*)control;
            if (length >= 0 && header.ControlLength >= (nuint)sizeof(ControlHeader) && received->Level == SOL_SOCKET && received->Type == SCM_RIGHTS)
            {
                for (int at = sizeof(ControlHeader); at + sizeof(int) <= (int)received->Length; at += sizeof(int))
                {
                    descriptors.Add(new SafeFileHandle(*(int*)(control + at), ownsHandle: true));
                }
            }

            return (int)length;
        }
    }

    // struct sockaddr_un: the family and the path, which leads through the descriptor, as a path may be too long for it.
    private const int AddressSize = 110;

    private static uint WriteAddress(byte* address, SafeHandle folder, string name)
    {
        *(ushort*)address = AF_UNIX;
        int length = Encoding.UTF8.GetBytes($"/proc/self/fd/{folder.DangerousGetHandle()}/{name}", new Span<byte>(address + sizeof(ushort), AddressSize - sizeof(ushort) - 1));
        address[sizeof(ushort) + length] = 0;
        return (uint)(sizeof(ushort) + length + 1);
    }

    private const int ControlSize = 16 + (MaximumDescriptors * sizeof(int));

    // struct iovec
    private struct Part
    {
        internal byte* Base;
        internal nuint Length;
    }

    // struct msghdr on 64 bit
    private struct MessageHeader
    {
        internal byte* Name;
        internal nuint NameLength;
        internal Part* Parts;
        internal nuint PartCount;
        internal byte* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    // struct cmsghdr on 64 bit
    private struct ControlHeader
    {
        internal nuint Length;
        internal int Level;
        internal int Type;
    }
}
