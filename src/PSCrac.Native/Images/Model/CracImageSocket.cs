using PSCrac.Images.Model;

namespace PSCrac;

/// <summary>A socket's address family. The values are the kernel's AF_ numbers.</summary>
public enum CracSocketFamily
{
    /// <summary>Not in the image.</summary>
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

/// <summary>A socket that a process in an image had open.</summary>
public sealed class CracImageSocket
{
    private readonly CracImageRecord _own;

    private CracImageSocket(CracImageFile file, CracImageRecord own)
    {
        _own = own;
        ProcessId = file.ProcessId;
        Descriptor = file.Descriptor ?? -1;
    }

    /// <summary>The process id.</summary>
    public int ProcessId { get; }

    /// <summary>The descriptor's number.</summary>
    public int Descriptor { get; }

    /// <summary>The address family.</summary>
    public CracSocketFamily Family { get; private init; }

    /// <summary>The type: "stream", "dgram", "raw", "seqpacket", or the kernel's number for another type.</summary>
    public string Type => _own.GetNumber("type") switch
    {
        1 => "stream",
        2 => "dgram",
        3 => "raw",
        5 => "seqpacket",
        0 => Family == CracSocketFamily.Netlink ? "raw" : "",
        ulong other => other.ToString(),
    };

    /// <summary>The protocol: "tcp", "udp", "udplite", "icmp", "icmp6", or its number; the netlink family for a netlink socket; empty for a unix socket.</summary>
    public string Protocol { get; private init; } = "";

    /// <summary>The state.</summary>
    public CracSocketState State => _own.GetNumber("state") is >= 1 and <= 11 and ulong state ? (CracSocketState)state : CracSocketState.Unknown;

    /// <summary>The local address and port, or the name; empty if there is none.</summary>
    public string Local { get; private init; } = "";

    /// <summary>The peer's address and port, or its name or, for an unnamed unix socket, "socket:[inode]"; empty if there is none.</summary>
    public string Remote { get; private init; } = "";

    /// <summary>The maximum number of pending connections; 0 unless the socket listens.</summary>
    public int Backlog => State == CracSocketState.Listening ? (int)_own.GetNumber("backlog") : 0;

    /// <summary>The socket's inode number, which criu's files use to refer to it; 0 for a packet socket.</summary>
    public long Inode => (long)_own.GetNumber("ino");

    /// <summary>The socket's options, by criu's names; null if the image has none.</summary>
    internal CracImageRecord? Options => _own.GetRecord("opts");

    /// <summary>The socket's decoded entry in files.img.</summary>
    internal CracImageRecord Details => _own;

    /// <inheritdoc/>
    public override string ToString() => $"{ProcessId}:{Descriptor} {Family} {Protocol} {Local} {Remote}";

    /// <summary>Creates the socket of a descriptor; null if the descriptor is not a socket.</summary>
    internal static CracImageSocket? From(CracImageFile file, OpenFileTable table)
    {
        if (file.Details is null || OpenFileTable.GetKindEntry(file.Details) is not { } own)
        {
            return null;
        }

        return file.Kind switch
        {
            CracFileKind.InetSocket => new CracImageSocket(file, own)
            {
                Family = own.GetNumber("family") == 10 ? CracSocketFamily.Inet6 : CracSocketFamily.Inet,
                Protocol = own.GetNumber("proto") switch
                {
                    1 => "icmp",
                    6 => "tcp",
                    17 => "udp",
                    58 => "icmp6",
                    136 => "udplite",
                    ulong other => other.ToString(),
                },
                Local = OpenFileTable.FormatAddress(own, "src"),
                Remote = own.GetNumber("dst_port") == 0 ? "" : OpenFileTable.FormatAddress(own, "dst"),
            },
            CracFileKind.UnixSocket => new CracImageSocket(file, own)
            {
                Family = CracSocketFamily.Unix,
                Local = OpenFileTable.FormatUnixName(own),
                Remote = UnixPeer(own.GetNumber("peer"), table),
            },
            CracFileKind.NetlinkSocket => new CracImageSocket(file, own)
            {
                Family = CracSocketFamily.Netlink,
                Protocol = own.GetNumber("protocol").ToString(),
                Local = own.GetNumber("portid").ToString(),
                Remote = own.GetNumber("dst_portid") is > 0 and ulong port ? port.ToString() : "",
            },
            CracFileKind.PacketSocket => new CracImageSocket(file, own)
            {
                Family = CracSocketFamily.Packet,
                Protocol = $"0x{System.Buffers.Binary.BinaryPrimitives.ReverseEndianness((ushort)own.GetNumber("protocol")):x4}",
                Local = own.GetNumber("ifindex") is > 0 and ulong index ? $"interface {index}" : "",
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

        return table.FindUnixSocket(inode) is { } peer && OpenFileTable.FormatUnixName(peer) is { Length: > 0 } name ? name : $"socket:[{inode}]";
    }
}
