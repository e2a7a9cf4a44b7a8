using PSCrac.Images.Model;

namespace PSCrac;

/// <summary>A socket's family. The values are the kernel's AF_ numbers.</summary>
public enum CracSocketFamily
{
    /// <summary>The image does not say.</summary>
    Unknown = 0,

    /// <summary>Unix.</summary>
    Unix = 1,

    /// <summary>IPv4.</summary>
    Inet = 2,

    /// <summary>IPv6.</summary>
    Inet6 = 10,

    /// <summary>Netlink.</summary>
    Netlink = 16,

    /// <summary>Packet.</summary>
    Packet = 17,
}

/// <summary>A socket that a process of an image had open.</summary>
public sealed class CracImageSocket
{
    private readonly CracImageRecord _own;

    private CracImageSocket(CracImageFile file, CracImageRecord own)
    {
        _own = own;
        ProcessId = file.ProcessId;
        Descriptor = file.Descriptor ?? -1;
    }

    /// <summary>The process.</summary>
    public int ProcessId { get; }

    /// <summary>The descriptor's number.</summary>
    public int Descriptor { get; }

    /// <summary>The family.</summary>
    public CracSocketFamily Family { get; private init; }

    /// <summary>The type: "stream", "dgram", "raw", "seqpacket", or the kernel's number.</summary>
    public string Type => _own.Number("type") switch
    {
        1 => "stream",
        2 => "dgram",
        3 => "raw",
        5 => "seqpacket",
        0 => Family == CracSocketFamily.Netlink ? "raw" : "",
        ulong other => other.ToString(),
    };

    /// <summary>The protocol: "tcp", "udp", "udplite", "icmp", "icmp6", or its number; for a netlink socket the family's number; empty for a unix socket.</summary>
    public string Protocol { get; private init; } = "";

    /// <summary>The state.</summary>
    public CracSocketState State => _own.Number("state") is >= 1 and <= 11 and ulong state ? (CracSocketState)state : CracSocketState.Unknown;

    /// <summary>The local address and port, or name; empty where it has none.</summary>
    public string Local { get; private init; } = "";

    /// <summary>The other end's address and port, or name, or, for an unnamed unix socket, "socket:[inode]"; empty where there is none.</summary>
    public string Remote { get; private init; } = "";

    /// <summary>How many connections may wait to be accepted; 0 unless it listens.</summary>
    public int Backlog => State == CracSocketState.Listening ? (int)_own.Number("backlog") : 0;

    /// <summary>The socket's inode number, by which criu's files refer to it; 0 for a packet socket.</summary>
    public long Inode => (long)_own.Number("ino");

    /// <summary>The socket's options, by criu's names; null where criu noted none.</summary>
    internal CracImageRecord? Options => _own.Record("opts");

    /// <summary>The socket's entry in files.img, with all that criu noted.</summary>
    internal CracImageRecord Details => _own;

    /// <inheritdoc/>
    public override string ToString() => $"{ProcessId}:{Descriptor} {Family} {Protocol} {Local} {Remote}";

    /// <summary>Makes the socket of a descriptor; null where the descriptor is none's.</summary>
    internal static CracImageSocket? From(CracImageFile file, OpenFileTable table)
    {
        if (file.Details is null || OpenFileTable.Own(file.Details) is not { } own)
        {
            return null;
        }

        return file.Kind switch
        {
            CracFileKind.InetSocket => new CracImageSocket(file, own)
            {
                Family = own.Number("family") == 10 ? CracSocketFamily.Inet6 : CracSocketFamily.Inet,
                Protocol = own.Number("proto") switch
                {
                    1 => "icmp",
                    6 => "tcp",
                    17 => "udp",
                    58 => "icmp6",
                    136 => "udplite",
                    ulong other => other.ToString(),
                },
                Local = OpenFileTable.Address(own, "src"),
                Remote = own.Number("dst_port") == 0 ? "" : OpenFileTable.Address(own, "dst"),
            },
            CracFileKind.UnixSocket => new CracImageSocket(file, own)
            {
                Family = CracSocketFamily.Unix,
                Local = OpenFileTable.UnixName(own),
                Remote = UnixPeer(own.Number("peer"), table),
            },
            CracFileKind.NetlinkSocket => new CracImageSocket(file, own)
            {
                Family = CracSocketFamily.Netlink,
                Protocol = own.Number("protocol").ToString(),
                Local = own.Number("portid").ToString(),
                Remote = own.Number("dst_portid") is > 0 and ulong port ? port.ToString() : "",
            },
            CracFileKind.PacketSocket => new CracImageSocket(file, own)
            {
                Family = CracSocketFamily.Packet,
                Protocol = $"0x{System.Buffers.Binary.BinaryPrimitives.ReverseEndianness((ushort)own.Number("protocol")):x4}",
                Local = own.Number("ifindex") is > 0 and ulong index ? $"interface {index}" : "",
            },
            _ => null,
        };
    }

    private static string UnixPeer(ulong inode, OpenFileTable table)
    {
        if (inode == 0)
        {
            return "";
        }

        return table.UnixSocket(inode) is { } peer && OpenFileTable.UnixName(peer) is { Length: > 0 } name ? name : $"socket:[{inode}]";
    }
}
