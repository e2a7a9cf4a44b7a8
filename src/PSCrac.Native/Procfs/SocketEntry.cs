using System.Net;

namespace PSCrac.Procfs;

/// <summary>The protocol of a socket.</summary>
internal enum SocketProtocol
{
    /// <summary>A protocol that criu does not support; <see cref="SocketEntry.ProtocolName"/> has the kernel's name.</summary>
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

/// <summary>The type of a unix socket; the values are those of socket(2).</summary>
internal enum UnixSocketType
{
    /// <summary>Not a unix socket, or unknown.</summary>
    None = 0,

    /// <summary>SOCK_STREAM.</summary>
    Stream = 1,

    /// <summary>SOCK_DGRAM.</summary>
    Datagram = 2,

    /// <summary>SOCK_SEQPACKET.</summary>
    SequencedPacket = 5,
}

/// <summary>A socket of a network namespace.</summary>
internal sealed record SocketEntry
{
    /// <summary>The socket's inode number, as in socket:[1234].</summary>
    internal required ulong Inode { get; init; }

    /// <summary>The protocol.</summary>
    internal required SocketProtocol Protocol { get; init; }

    /// <summary>The kernel's name for the protocol, such as TCPv6 or VSOCK; null if it was not read.</summary>
    internal string? ProtocolName { get; init; }

    /// <summary>The state.</summary>
    internal CracSocketState State { get; init; }

    /// <summary>The local address; null for a socket without IP addresses.</summary>
    internal IPEndPoint? Local { get; init; }

    /// <summary>The peer's address, all zero if not connected; null for a socket without IP addresses.</summary>
    internal IPEndPoint? Remote { get; init; }

    /// <summary>The bytes in the send queue or, for a listening unix socket, the limit of its backlog.</summary>
    internal long SendQueue { get; init; }

    /// <summary>The bytes in the receive queue or, for a listening socket, the number of pending connections.</summary>
    internal long ReceiveQueue { get; init; }

    /// <summary>The type of a unix socket.</summary>
    internal UnixSocketType UnixType { get; init; }

    /// <summary>The name of a unix socket: a path, or @ and an abstract name; null if it is not bound.</summary>
    internal string? UnixName { get; init; }

    /// <summary>The lower 32 bits of the inode of the file that a unix socket was bound to; 0 if there is none.</summary>
    internal uint FileInode { get; init; }

    /// <summary>The device of that file's file system.</summary>
    internal DeviceNumber FileDevice { get; init; }

    /// <summary>Whether a unix socket is reached by its name: an accepted connection has its listener's name, but is not.</summary>
    internal bool OwnsUnixName =>
        UnixName is not null && (UnixType == UnixSocketType.Datagram || State is CracSocketState.Listening or CracSocketState.Closed);

    /// <summary>The inode of a unix socket's peer; 0 if there is none or it is unknown.</summary>
    internal ulong PeerInode { get; init; }

    /// <summary>The inodes of the pending connections of a listening unix socket; 0 for a connection that was closed by its client.</summary>
    internal IReadOnlyList<ulong> PendingConnections { get; init; } = [];

    /// <summary>The directions of a unix socket that were shut down: 1 reading, 2 writing, 3 both.</summary>
    internal int Shutdown { get; init; }

    /// <summary>The port id of a netlink socket; 0 if it is not bound.</summary>
    internal uint NetlinkPort { get; init; }

    /// <summary>The multicast groups of a netlink socket.</summary>
    internal uint NetlinkGroups { get; init; }

    /// <summary>The netlink family, such as 0 for routing.</summary>
    internal int NetlinkFamily { get; init; }

    /// <summary>Whether it is connected to a peer.</summary>
    internal bool IsConnected => Protocol switch
    {
        SocketProtocol.Tcp => State is not (CracSocketState.Closed or CracSocketState.Listening or CracSocketState.Unknown),
        SocketProtocol.Unix => PeerInode != 0,
        _ => Remote is { Port: > 0 },
    };
}
