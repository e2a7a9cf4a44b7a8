using System.Net;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// The sockets of one network namespace, as far as asked for: by sock_diag(7), and where that does not list them by
/// /proc/PID/net/tcp and its like (proc(5)). Sockets that were made and neither bound nor connected appear in none of them.
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

    /// <summary>The socket with this inode; null when it is not listed, or was not asked for.</summary>
    internal SocketEntry? Find(ulong inode) => _byInode.GetValueOrDefault(inode);

    /// <summary>The sockets.</summary>
    internal IReadOnlyCollection<SocketEntry> Sockets => _byInode.Values;

    /// <summary>Which protocol the kernel means by a name from sockfs, such as TCPv6.</summary>
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
    /// <param name="directory">A process of that namespace.</param>
    /// <param name="isOwnNamespace">Whether it is the caller's network namespace too. Otherwise unix sockets need CAP_SYS_ADMIN.</param>
    /// <param name="wanted">The inodes of interest; null for all. Unix sockets are given all, since a socket's other end may be anyone's.</param>
    /// <param name="protocols">The protocols of interest; the other tables are not read.</param>
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

    /// <summary>Lists what the calling thread's network namespace has, and returns the protocols of which that is all.</summary>
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

    /// <summary>A netlink socket stays in the namespace it was made in, so it is made by a thread that enters and then ends.</summary>
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

    /// <summary>Reads 0100007F:1F90, or its longer IPv6 form: addresses in 32-bit words of the machine's byte order, the port as a number.</summary>
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
