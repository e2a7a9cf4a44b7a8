using System.Buffers.Binary;
using System.Net;
using System.Runtime.InteropServices;

namespace PSCrac.Procfs;

/// <summary>Lists TCP and UDP sockets: the structures of include/uapi/linux/inet_diag.h.</summary>
internal static class InternetDiagnostics
{
    private const byte Version4 = 2;
    private const byte Version6 = 10;
    private const int RequestLength = SocketDiagnostics.HeaderLength + 56;
    private const int MessageLength = 72;

    /// <summary>Adds the IPv4 and IPv6 sockets of one protocol. False if the kernel does not list them with sock_diag(7).</summary>
    internal static bool TryCollect(Dictionary<ulong, SocketEntry> sockets, SocketProtocol protocol)
    {
        (byte number, SocketDiagnostics.MessageHandler handler) = protocol switch
        {
            SocketProtocol.Tcp => ((byte)6, (SocketDiagnostics.MessageHandler)AddTcp),
            SocketProtocol.Udp => ((byte)17, AddUdp),
            SocketProtocol.UdpLite => ((byte)136, AddUdpLite),
            _ => ((byte)0, AddTcp),
        };
        return number != 0 && TryList(Version4, number, handler, sockets) && TryList(Version6, number, handler, sockets);
    }

    private static bool TryList(byte family, byte protocol, SocketDiagnostics.MessageHandler handler, Dictionary<ulong, SocketEntry> sockets)
    {
        Span<byte> request = stackalloc byte[RequestLength];
        request.Clear();
        request[SocketDiagnostics.HeaderLength] = family;
        request[SocketDiagnostics.HeaderLength + 1] = protocol;
        MemoryMarshal.Write(request[(SocketDiagnostics.HeaderLength + 4)..], uint.MaxValue);
        return SocketDiagnostics.TryList(request, handler, sockets);
    }

    private static void AddTcp(ReadOnlySpan<byte> message, Dictionary<ulong, SocketEntry> sockets) => Add(message, sockets, SocketProtocol.Tcp);

    private static void AddUdp(ReadOnlySpan<byte> message, Dictionary<ulong, SocketEntry> sockets) => Add(message, sockets, SocketProtocol.Udp);

    private static void AddUdpLite(ReadOnlySpan<byte> message, Dictionary<ulong, SocketEntry> sockets) => Add(message, sockets, SocketProtocol.UdpLite);

    private static void Add(ReadOnlySpan<byte> message, Dictionary<ulong, SocketEntry> sockets, SocketProtocol protocol)
    {
        if (message.Length < MessageLength)
        {
            return;
        }

        // A connection without a file (TIME_WAIT, or not accepted yet) has no inode.
        uint inode = MemoryMarshal.Read<uint>(message[68..]);
        if (inode == 0)
        {
            return;
        }

        int addressLength = message[0] == Version6 ? 16 : 4;
        sockets[inode] = new SocketEntry
        {
            Inode = inode,
            Protocol = protocol,
            State = (CracSocketState)message[1],
            Local = EndPointOf(message.Slice(8, addressLength), message[4..]),
            Remote = EndPointOf(message.Slice(24, addressLength), message[6..]),
            ReceiveQueue = MemoryMarshal.Read<uint>(message[56..]),
            SendQueue = MemoryMarshal.Read<uint>(message[60..]),
        };
    }

    private static IPEndPoint EndPointOf(ReadOnlySpan<byte> address, ReadOnlySpan<byte> port)
    {
        var ip = new IPAddress(address);
        return new IPEndPoint(ip.IsIPv4MappedToIPv6 ? ip.MapToIPv4() : ip, BinaryPrimitives.ReadUInt16BigEndian(port));
    }
}
