using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    private const int AF_UNIX = 1;
    private const int AF_NETLINK = 16;
    private const int SOCK_STREAM = 1;
    private const int SOCK_RAW = 3;
    private const int SOCK_SEQPACKET = 5;
    private const int SOCK_CLOEXEC = 0x80000;
    private const int MSG_DONTWAIT = 0x40;
    private const int MSG_NOSIGNAL = 0x4000;

    [LibraryImport(Library, EntryPoint = "socket", SetLastError = true)]
    private static partial SafeFileHandle socket(int family, int type, int protocol);

    [LibraryImport(Library, EntryPoint = "socketpair", SetLastError = true)]
    private static partial int socketpair(int family, int type, int protocol, int* pair);

    [LibraryImport(Library, EntryPoint = "send", SetLastError = true)]
    private static partial nint send(SafeHandle socket, byte* data, nuint length, int flags);

    [LibraryImport(Library, EntryPoint = "recv", SetLastError = true)]
    private static partial nint recv(SafeHandle socket, byte* buffer, nuint length, int flags);

    [LibraryImport(Library, EntryPoint = "getsockopt", SetLastError = true)]
    private static partial int getsockopt(SafeHandle socket, int level, int option, ref int value, ref uint length);

    [LibraryImport(Library, EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int setsockopt(SafeHandle socket, int level, int option, in int value, uint length);

    /// <summary>Creates a connected pair of SOCK_SEQPACKET unix sockets, close-on-exec (socketpair(2)).</summary>
    internal static Errno CreateSocketPair(out SafeFileHandle first, out SafeFileHandle second) => CreatePair(SOCK_SEQPACKET, out first, out second);

    /// <summary>Creates a connected pair of SOCK_STREAM unix sockets, for a reader that reads byte by byte.</summary>
    internal static Errno CreateStreamPair(out SafeFileHandle first, out SafeFileHandle second) => CreatePair(SOCK_STREAM, out first, out second);

    /// <summary>
    /// Opens a netlink socket for sock_diag(7) in the calling thread's network namespace; invalid on failure.
    /// </summary>
    internal static SafeFileHandle OpenSocketDiagnostics()
    {
        const int NETLINK_SOCK_DIAG = 4;
        return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    }

    /// <summary>Opens a netlink socket for nfnetlink in the calling thread's network namespace.</summary>
    internal static SafeFileHandle OpenNetfilter(out Errno errno)
    {
        const int NETLINK_NETFILTER = 12;
        SafeFileHandle opened = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        errno = Result(opened);
        return opened;
    }

    /// <summary>Sends one message without waiting and without SIGPIPE (send(2)).</summary>
    internal static Errno Send(SafeHandle socket, ReadOnlySpan<byte> message) => Send(socket, message, MSG_DONTWAIT | MSG_NOSIGNAL);

    /// <summary>Sends one message; waits while the socket's buffer is full (send(2)).</summary>
    internal static Errno SendBlocking(SafeHandle socket, ReadOnlySpan<byte> message) => Send(socket, message, MSG_NOSIGNAL);

    /// <summary>Receives one message without waiting (recv(2)).</summary>
    /// <returns>The length; 0 if the peer has closed the socket, -1 if there is no message.</returns>
    internal static int Receive(SafeHandle socket, Span<byte> message) => Receive(socket, message, MSG_DONTWAIT);

    /// <summary>Waits for and receives one message (recv(2)).</summary>
    /// <returns>The length; 0 if the peer has closed the socket, -1 on failure.</returns>
    internal static int ReceiveBlocking(SafeHandle socket, Span<byte> message) => Receive(socket, message, flags: 0);

    /// <summary>
    /// Ends the repair mode of a TCP connection (TCP_REPAIR, linux/tcp.h), and has the kernel ask the peer for its window.
    /// </summary>
    /// <returns>False if it was not in this mode, is no TCP connection, or CAP_NET_ADMIN is missing.</returns>
    internal static bool EndTcpRepair(SafeHandle socket)
    {
        const int IPPROTO_TCP = 6;
        const int TCP_REPAIR = 19;
        const int TCP_REPAIR_OFF = 0;
        int value = 0;
        uint length = sizeof(int);
        return getsockopt(socket, IPPROTO_TCP, TCP_REPAIR, ref value, ref length) == 0
            && value != 0
            && setsockopt(socket, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF, length) == 0;
    }

    private static Errno CreatePair(int type, out SafeFileHandle first, out SafeFileHandle second)
    {
        int* pair = stackalloc int[2];
        Errno errno = Result(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair));
        first = new SafeFileHandle(errno == 0 ? pair[0] : -1, ownsHandle: true);
        second = new SafeFileHandle(errno == 0 ? pair[1] : -1, ownsHandle: true);
        return errno;
    }

    private static Errno Send(SafeHandle socket, ReadOnlySpan<byte> message, int flags)
    {
        while (true)
        {
            nint sent;
            fixed (byte* data = message)
            {
                sent = send(socket, data, (nuint)message.Length, flags);
            }

            Errno errno = sent < 0 ? LastError : Errno.None;
            if (errno != Errno.EINTR)
            {
                return errno;
            }
        }
    }

    private static int Receive(SafeHandle socket, Span<byte> message, int flags)
    {
        while (true)
        {
            nint length;
            fixed (byte* data = message)
            {
                length = recv(socket, data, (nuint)message.Length, flags);
            }

            if (length >= 0 || LastError != Errno.EINTR)
            {
                return (int)length;
            }
        }
    }
}
