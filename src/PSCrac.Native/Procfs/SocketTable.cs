using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// Selected sockets of one network namespace, from sock_diag(7) or, for protocols that it does not list, from
/// /proc/PID/net/tcp and similar files (proc(5)). Sockets that are neither bound nor connected are in none of them.
/// </summary>
internal sealed class SocketTable
{
    private static readonly (SocketProtocol Protocol, string File)[] s_internetTables =
    [
        (SocketProtocol.Tcp, "net/tcp"), (SocketProtocol.Tcp, "net/tcp6"),
        (SocketProtocol.Udp, "net/udp"), (SocketProtocol.Udp, "net/udp6"),
        (SocketProtocol.UdpLite, "net/udplite"), (SocketProtocol.UdpLite, "net/udplite6"),
        (SocketProtocol.Icmp, "net/icmp"), (SocketProtocol.Icmp, "net/icmp6"),
        (SocketProtocol.Raw, "net/raw"), (SocketProtocol.Raw, "net/raw6"),
    ];

    private readonly Dictionary<ulong, SocketEntry> _byInode;

    private SocketTable(Dictionary<ulong, SocketEntry> byInode) => _byInode = byInode;

    /// <summary>Finds a socket by its inode; null if it is not listed or was not selected.</summary>
    internal SocketEntry? Find(ulong inode) => _byInode.GetValueOrDefault(inode);

    /// <summary>The sockets.</summary>
    internal IReadOnlyCollection<SocketEntry> Sockets => _byInode.Values;

    /// <summary>The protocol of a kernel name from sockfs, such as TCPv6.</summary>
    internal static SocketProtocol ProtocolOf(string? kernelName) => kernelName switch
    {
        "TCP" or "TCPv6" => SocketProtocol.Tcp,
        "UDP" or "UDPv6" => SocketProtocol.Udp,
        "UDP-Lite" or "UDPLITEv6" => SocketProtocol.UdpLite,
        "PING" or "PINGv6" => SocketProtocol.Icmp,
        "RAW" or "RAWv6" => SocketProtocol.Raw,
        "UNIX" or "UNIX-STREAM" => SocketProtocol.Unix,
        "NETLINK" => SocketProtocol.Netlink,
        "PACKET" => SocketProtocol.Packet,
        "MPTCP" or "MPTCPv6" => SocketProtocol.MultipathTcp,
        _ => SocketProtocol.Other,
    };

    /// <summary>
    /// Reads the sockets of a process's network namespace.
    /// </summary>
    /// <param name="directory">A process in that namespace.</param>
    /// <param name="isOwnNamespace">Whether it is also the caller's network namespace. Otherwise unix sockets require CAP_SYS_ADMIN.</param>
    /// <param name="wanted">The inodes to read; null for all. All unix sockets are returned, because a peer may belong to any process.</param>
    /// <param name="protocols">The protocols to read.</param>
    internal static SocketTable Read(
        ProcessDirectory directory, bool isOwnNamespace, IReadOnlySet<ulong>? wanted, IReadOnlySet<SocketProtocol> protocols)
    {
        var sockets = new Dictionary<ulong, SocketEntry>();
        HashSet<SocketProtocol> listed = isOwnNamespace ? Collect(sockets, protocols) : CollectInside(directory, sockets, protocols);
        foreach ((SocketProtocol protocol, string file) in s_internetTables)
        {
            if (protocols.Contains(protocol) && !listed.Contains(protocol) && directory.TryRead(file, out ProcText text, expectedLength: 16384))
            {
                using (text)
                {
                    AddInternet(sockets, text.Bytes, protocol, wanted);
                }
            }
        }

        if (protocols.Contains(SocketProtocol.Netlink) && directory.TryRead("net/netlink", out ProcText netlink, expectedLength: 16384))
        {
            using (netlink)
            {
                AddNetlink(sockets, netlink.Bytes, wanted);
            }
        }

        return new SocketTable(sockets);
    }

    /// <summary>Lists the sockets of the calling thread's network namespace, and returns the protocols that were listed completely.</summary>
    private static HashSet<SocketProtocol> Collect(Dictionary<ulong, SocketEntry> sockets, IReadOnlySet<SocketProtocol> protocols)
    {
        var listed = new HashSet<SocketProtocol>();
        foreach (SocketProtocol protocol in protocols)
        {
            if (protocol == SocketProtocol.Unix ? UnixDiagnostics.TryCollect(sockets) : InternetDiagnostics.TryCollect(sockets, protocol))
            {
                listed.Add(protocol);
            }
        }

        return listed;
    }

    /// <summary>A netlink socket belongs to the namespace in which it was created, so a temporary thread enters the namespace and creates it.</summary>
    private static HashSet<SocketProtocol> CollectInside(
        ProcessDirectory directory, Dictionary<ulong, SocketEntry> sockets, IReadOnlySet<SocketProtocol> protocols)
    {
        HashSet<SocketProtocol> listed = [];
        using SafeFileHandle target = directory.Open("ns/net");
        if (target.IsInvalid)
        {
            return listed;
        }

        var thread = new Thread(() =>
        {
            if (LibC.Enter(target, LibC.CLONE_NEWNET) == Errno.None)
            {
                listed = Collect(sockets, protocols);
            }
        })
        {
            IsBackground = true,
            Name = "PSCrac network namespace",
        };
        thread.Start();
        thread.Join();
        return listed;
    }

    private static void AddInternet(
        Dictionary<ulong, SocketEntry> sockets, ReadOnlySpan<byte> text, SocketProtocol protocol, IReadOnlySet<ulong>? wanted)
    {
        var lines = new AsciiReader(text);
        lines.TryReadLine(out _);
        while (lines.TryReadLine(out ReadOnlySpan<byte> line))
        {
            // 0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 …
            var words = new AsciiReader(line);
            words.Skip(1);
            ReadOnlySpan<byte> local = words.ReadWord();
            ReadOnlySpan<byte> remote = words.ReadWord();
            ReadOnlySpan<byte> state = words.ReadWord();
            ReadOnlySpan<byte> queues = words.ReadWord();
            words.Skip(4);
            ulong inode = words.ReadUInt64();
            if (inode == 0 || (wanted is not null && !wanted.Contains(inode)))
            {
                continue;
            }

            int colon = queues.IndexOf((byte)':');
            sockets[inode] = new SocketEntry
            {
                Inode = inode,
                Protocol = protocol,
                State = (CracSocketState)AsciiReader.ParseHex(state),
                Local = ParseEndPoint(local),
                Remote = ParseEndPoint(remote),
                SendQueue = colon < 0 ? 0 : (long)AsciiReader.ParseHex(queues[..colon]),
                ReceiveQueue = colon < 0 ? 0 : (long)AsciiReader.ParseHex(queues[(colon + 1)..]),
            };
        }
    }

    private static void AddNetlink(Dictionary<ulong, SocketEntry> sockets, ReadOnlySpan<byte> text, IReadOnlySet<ulong>? wanted)
    {
        var lines = new AsciiReader(text);
        lines.TryReadLine(out _);
        while (lines.TryReadLine(out ReadOnlySpan<byte> line))
        {
            // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
            var words = new AsciiReader(line);
            words.Skip(1);
            int family = words.ReadInt32();
            uint port = (uint)words.ReadUInt64();
            uint groups = (uint)words.ReadHex();
            long received = words.ReadInt64();
            words.Skip(4);
            ulong inode = words.ReadUInt64();
            if (inode == 0 || (wanted is not null && !wanted.Contains(inode)))
            {
                continue;
            }

            sockets[inode] = new SocketEntry
            {
                Inode = inode,
                Protocol = SocketProtocol.Netlink,
                State = CracSocketState.Closed,
                NetlinkFamily = family,
                NetlinkPort = port,
                NetlinkGroups = groups,
                ReceiveQueue = received,
            };
        }
    }

    /// <summary>Parses 0100007F:1F90 or the longer IPv6 form: the address in 32-bit words in host byte order, the port as a number.</summary>
    private static IPEndPoint? ParseEndPoint(ReadOnlySpan<byte> word)
    {
        int colon = word.IndexOf((byte)':');
        if (colon is not (8 or 32))
        {
            return null;
        }

        Span<uint> address = stackalloc uint[4];
        for (int i = 0; i < colon / 8; i++)
        {
            address[i] = (uint)AsciiReader.ParseHex(word.Slice(i * 8, 8));
        }

        Span<byte> bytes = MemoryMarshal.AsBytes(address)[..(colon / 2)];
        var ip = new IPAddress(bytes);
        return new IPEndPoint(ip.IsIPv4MappedToIPv6 ? ip.MapToIPv4() : ip, (int)AsciiReader.ParseHex(word[(colon + 1)..]) & 0xffff);
    }
}
