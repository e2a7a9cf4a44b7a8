using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static partial class LibC
{
    private const int AF_UNIX = 1;
    private const int SOCK_STREAM = 1;
    private const int SOCK_SEQPACKET = 5;
    private const int SOCK_CLOEXEC = 0x80000;

    [LibraryImport(Library, EntryPoint = "socketpair", SetLastError = true)]
    private static unsafe partial int socketpair(int family, int type, int protocol, int* pair);

    /// <summary>A connected pair of SOCK_SEQPACKET unix sockets, close-on-exec (socketpair(2)). Returns errno, or 0.</summary>
    internal static int CreateSocketPair(out SafeFileHandle first, out SafeFileHandle second) => CreatePair(SOCK_SEQPACKET, out first, out second);

    /// <summary>The same of SOCK_STREAM, for a reader that takes a byte at a time.</summary>
    internal static int CreateStreamPair(out SafeFileHandle first, out SafeFileHandle second) => CreatePair(SOCK_STREAM, out first, out second);

    private static unsafe int CreatePair(int type, out SafeFileHandle first, out SafeFileHandle second)
    {
        int* pair = stackalloc int[2];
        int result = socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair);
        int errno = result == 0 ? 0 : Marshal.GetLastPInvokeError();
        first = new SafeFileHandle(result == 0 ? pair[0] : -1, ownsHandle: true);
        second = new SafeFileHandle(result == 0 ? pair[1] : -1, ownsHandle: true);
        return errno;
    }

    [LibraryImport(Library, EntryPoint = "send", SetLastError = true)]
    private static unsafe partial nint send(int socket, byte* data, nuint length, int flags);

    /// <summary>Sends one message without waiting and without a SIGPIPE (send(2)). Returns errno, or 0.</summary>
    internal static unsafe int Send(SafeHandle socket, ReadOnlySpan<byte> message)
    {
        const int MSG_DONTWAIT = 0x40;
        const int MSG_NOSIGNAL = 0x4000;
        using var at = new Borrowed(socket, -1);
        fixed (byte* data = message)
        {
            return send(at.Descriptor, data, (nuint)message.Length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ? 0 : Marshal.GetLastPInvokeError();
        }
    }

    [LibraryImport(Library, EntryPoint = "recv", SetLastError = true)]
    private static unsafe partial nint recv(int socket, byte* buffer, nuint length, int flags);

    /// <summary>Receives one message without waiting (recv(2)).</summary>
    /// <returns>Its length; 0 where the other end is closed, -1 where there is none yet.</returns>
    internal static unsafe int Receive(SafeHandle socket, Span<byte> message)
    {
        const int MSG_DONTWAIT = 0x40;
        using var at = new Borrowed(socket, -1);
        fixed (byte* data = message)
        {
            return (int)recv(at.Descriptor, data, (nuint)message.Length, MSG_DONTWAIT);
        }
    }
}
