using System.Net;

namespace PSCrac.Procfs;

/// <summary>The protocol of a socket.</summary>
internal enum SocketProtocol
{
    /// <summary>One that criu does not know either; <see cref="SocketEntry.ProtocolName"/> has the kernel's name.</summary>
    Other = 0,

    /// <summary>TCP over IPv4 or IPv6.</summary>
    Tcp,

    /// <summary>UDP over IPv4 or IPv6.</summary>
    Udp,

    /// <summary>UDP-Lite over IPv4 or IPv6.</summary>
    UdpLite,

    /// <summary>ICMP echo sockets ("ping") over IPv4 or IPv6.</summary>
    Icmp,

    /// <summary>Raw IPv4 or IPv6.</summary>
    Raw,

    /// <summary>unix(7).</summary>
    Unix,

    /// <summary>netlink(7).</summary>
    Netlink,

    /// <summary>packet(7).</summary>
    Packet,

    /// <summary>Multipath TCP.</summary>
    MultipathTcp,
}

/// <summary>How a unix socket carries data, as socket(2) numbers it.</summary>
internal enum UnixSocketType
{
    /// <summary>Not a unix socket, or not known.</summary>
    None = 0,

    /// <summary>SOCK_STREAM.</summary>
    Stream = 1,

    /// <summary>SOCK_DGRAM.</summary>
    Datagram = 2,

    /// <summary>SOCK_SEQPACKET.</summary>
    SequencedPacket = 5,
}

/// <summary>One socket of a network namespace.</summary>
internal sealed record SocketEntry
{
    /// <summary>The socket's inode: the number in socket:[1234].</summary>
    internal required ulong Inode { get; init; }

    /// <summary>The protocol.</summary>
    internal required SocketProtocol Protocol { get; init; }

    /// <summary>The kernel's name of the protocol, such as TCPv6 or VSOCK; null where not asked for.</summary>
    internal string? ProtocolName { get; init; }

    /// <summary>The state.</summary>
    internal CracSocketState State { get; init; }

    /// <summary>The address it is bound to; null for what has no IP address.</summary>
    internal IPEndPoint? Local { get; init; }

    /// <summary>The other side's address, all zero when not connected; null for what has no IP address.</summary>
    internal IPEndPoint? Remote { get; init; }

    /// <summary>Bytes sent and not yet taken, or, for a listening unix socket, the length of its queue.</summary>
    internal long SendQueue { get; init; }

    /// <summary>Bytes come and not yet read, or, for a listening socket, the count of callers not yet accepted.</summary>
    internal long ReceiveQueue { get; init; }

    /// <summary>How a unix socket carries data.</summary>
    internal UnixSocketType UnixType { get; init; }

    /// <summary>The name a unix socket is bound to: a path, or an abstract name after an @. Null without one.</summary>
    internal string? UnixName { get; init; }

    /// <summary>The inode of a unix socket's other end; 0 without one, or where the kernel does not tell.</summary>
    internal ulong PeerInode { get; init; }

    /// <summary>The inodes of callers that wait to be accepted by a listening unix socket; 0 for one that has hung up.</summary>
    internal IReadOnlyList<ulong> WaitingCallers { get; init; } = [];

    /// <summary>Which directions of a unix socket are shut: 1 reading, 2 writing, 3 both.</summary>
    internal int Shutdown { get; init; }

    /// <summary>The port id of a netlink socket; 0 when not bound.</summary>
    internal uint NetlinkPort { get; init; }

    /// <summary>The multicast groups of a netlink socket.</summary>
    internal uint NetlinkGroups { get; init; }

    /// <summary>The family of a netlink socket, such as 0 for routing.</summary>
    internal int NetlinkFamily { get; init; }

    /// <summary>Whether it has another side to talk to.</summary>
    internal bool IsConnected => Protocol switch
    {
        SocketProtocol.Tcp => State is not (CracSocketState.Closed or CracSocketState.Listening or CracSocketState.Unknown),
        SocketProtocol.Unix => PeerInode != 0,
        _ => Remote is { Port: > 0 },
    };
}
