using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Procfs;

/// <summary>The calls for a netlink socket, a family that the base library has no sockets for, and for entering a network namespace.</summary>
internal static unsafe partial class SocketNative
{
    private const int AF_NETLINK = 16;
    private const int SOCK_RAW = 3;
    private const int SOCK_CLOEXEC = 0x80000;
    private const int NETLINK_SOCK_DIAG = 4;
    private const int CLONE_NEWNET = 0x40000000;

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial SafeFileHandle OpenSocket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint SendOnce(SafeFileHandle socket, byte* buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int EnterNamespace(SafeFileHandle handle, int kind);

    /// <summary>A netlink socket that asks about other sockets (sock_diag(7)) of the calling thread's network namespace.</summary>
    internal static SafeFileHandle OpenSocketDiagnostics() => OpenSocket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    internal static bool TrySend(SafeFileHandle socket, ReadOnlySpan<byte> message)
    {
        while (true)
        {
            nint sent;
            fixed (byte* start = message)
            {
                sent = SendOnce(socket, start, message.Length, 0);
            }

            if (sent >= 0 || Marshal.GetLastPInvokeError() != ProcfsNative.EINTR)
            {
                return sent == message.Length;
            }
        }
    }

    /// <summary>Moves the calling thread, and it alone, into a network namespace. For threads that end afterwards.</summary>
    internal static bool TryEnterNetworkNamespace(SafeFileHandle handle) => EnterNamespace(handle, CLONE_NEWNET) == 0;
}
