using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// Lists sockets of the calling thread's network namespace with sock_diag(7). The files of /proc/net have similar
/// content, but the kernel walks its whole hash table under locks to generate them, which takes about twenty times as long.
/// </summary>
internal static class SocketDiagnostics
{
    internal const int HeaderLength = 16;

    private const ushort SockDiagByFamily = 20;
    private const ushort NetlinkError = 2;
    private const ushort NetlinkDone = 3;
    private const ushort RequestDump = 0x301;

    internal delegate void MessageHandler(ReadOnlySpan<byte> message, Dictionary<ulong, SocketEntry> sockets);

    /// <summary>
    /// Sends a dump request and passes each message of the response to the handler. False if the kernel does not support it for
    /// this kind of sockets.
    /// </summary>
    /// <param name="request">The request, with space for the netlink header at the beginning.</param>
    /// <param name="handler">Called with each message, without its header.</param>
    /// <param name="sockets">The dictionary to which the handler adds.</param>
    internal static bool TryList(Span<byte> request, MessageHandler handler, Dictionary<ulong, SocketEntry> sockets)
    {
        using SafeFileHandle netlink = LibC.OpenSocketDiagnostics();
        if (netlink.IsInvalid)
        {
            return false;
        }

        MemoryMarshal.Write(request, (uint)request.Length);
        MemoryMarshal.Write(request[4..], SockDiagByFamily);
        MemoryMarshal.Write(request[6..], RequestDump);
        if (LibC.SendBlocking(netlink, request) != Errno.None)
        {
            return false;
        }

        byte[] buffer = new byte[32768];
        while (true)
        {
            int length = LibC.Read(netlink, buffer, out _);
            if (length < HeaderLength)
            {
                return false;
            }

            ReadOnlySpan<byte> messages = buffer.AsSpan(0, length);
            while (messages.Length >= HeaderLength)
            {
                int size = (int)MemoryMarshal.Read<uint>(messages);
                ushort type = MemoryMarshal.Read<ushort>(messages[4..]);
                if (type == NetlinkDone)
                {
                    return true;
                }

                if (type == NetlinkError || size < HeaderLength || size > messages.Length)
                {
                    return false;
                }

                handler(messages[HeaderLength..size], sockets);
                messages = messages[Math.Min(Align(size), messages.Length)..];
            }
        }
    }

    /// <summary>Rounds up to netlink's alignment of four bytes.</summary>
    internal static int Align(int length) => (length + 3) & ~3;
}
