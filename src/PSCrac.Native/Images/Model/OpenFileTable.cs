using System.Net;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Model;

/// <summary>The open files of an image by their ids: files.img, with what memfd.img and remap-fpath.img add to it.</summary>
internal sealed class OpenFileTable
{
    private readonly Dictionary<uint, CracImageRecord> _files = [];
    private readonly Dictionary<ulong, CracImageRecord> _memfds = [];
    private readonly Dictionary<ulong, CracImageRecord> _unixByInode = [];
    private readonly HashSet<uint> _unlinked = [];

    internal OpenFileTable(ImageSource source)
    {
        foreach (CracImageRecord file in source.ReadRecords("files.img", ImageType.Files))
        {
            _files[(uint)file.Number("id")] = file;
            if (file.Record("usk") is { } socket)
            {
                _unixByInode[socket.Number("ino")] = socket;
            }
        }

        foreach (CracImageRecord memfd in source.ReadRecords("memfd.img", ImageType.MemfdInode))
        {
            _memfds[memfd.Number("inode_id")] = memfd;
        }

        foreach (CracImageRecord remap in source.ReadRecords("remap-fpath.img", ImageType.RemapFpath))
        {
            _unlinked.Add((uint)remap.Number("orig_id"));
        }
    }

    internal IEnumerable<CracImageRecord> All => _files.Values;

    /// <summary>Finds an open file's entry; null where there is none of that id.</summary>
    internal CracImageRecord? Find(uint id) => _files.GetValueOrDefault(id);

    /// <summary>Whether the file's path was gone when it was dumped.</summary>
    internal bool IsUnlinked(uint id) => _unlinked.Contains(id);

    internal static CracFileKind KindOf(CracImageRecord file) => file.Text("type") switch
    {
        "REG" => CracFileKind.Regular,
        "PIPE" => CracFileKind.Pipe,
        "FIFO" => CracFileKind.Fifo,
        "INETSK" => CracFileKind.InetSocket,
        "UNIXSK" => CracFileKind.UnixSocket,
        "EVENTFD" => CracFileKind.EventFd,
        "EVENTPOLL" => CracFileKind.EventPoll,
        "INOTIFY" => CracFileKind.Inotify,
        "SIGNALFD" => CracFileKind.SignalFd,
        "PACKETSK" => CracFileKind.PacketSocket,
        "TTY" => CracFileKind.Terminal,
        "FANOTIFY" => CracFileKind.Fanotify,
        "NETLINKSK" => CracFileKind.NetlinkSocket,
        "NS" => CracFileKind.Namespace,
        "TUNF" => CracFileKind.Tun,
        "EXT" => CracFileKind.External,
        "TIMERFD" => CracFileKind.TimerFd,
        "MEMFD" => CracFileKind.MemFd,
        "BPFMAP" => CracFileKind.BpfMap,
        "PIDFD" => CracFileKind.PidFd,
        _ => CracFileKind.Unknown,
    };

    /// <summary>The message of the file's own kind within its entry; null where there is none.</summary>
    internal static CracImageRecord? Own(CracImageRecord file)
    {
        foreach (object value in file.Values)
        {
            if (value is CracImageRecord own)
            {
                return own;
            }
        }

        return null;
    }

    /// <summary>What stands behind an id in words: a path where there is one, else what proc shows for such a descriptor.</summary>
    internal string PathOf(uint id)
    {
        if (Find(id) is not { } file || Own(file) is not { } own)
        {
            return "";
        }

        return KindOf(file) switch
        {
            CracFileKind.Regular => own.Text("name") ?? "",
            CracFileKind.Pipe => $"pipe:[{own.Number("pipe_id")}]",
            CracFileKind.Fifo => Named(own, "regf_id") ?? $"fifo:[{own.Number("pipe_id")}]",
            CracFileKind.Terminal => Named(own, "regf_id") ?? $"tty:[{own.Number("tty_info_id")}]",
            CracFileKind.InetSocket => InetPath(own),
            CracFileKind.UnixSocket => UnixName(own) is { Length: > 0 } name ? name : $"socket:[{own.Number("ino")}]",
            CracFileKind.NetlinkSocket or CracFileKind.PacketSocket => $"socket:[{own.Number("ino")}]",
            CracFileKind.MemFd => $"/memfd:{Memfd(own)?.Text("name")}",
            CracFileKind.EventFd => "anon_inode:[eventfd]",
            CracFileKind.EventPoll => "anon_inode:[eventpoll]",
            CracFileKind.SignalFd => "anon_inode:[signalfd]",
            CracFileKind.TimerFd => "anon_inode:[timerfd]",
            CracFileKind.Inotify => "anon_inode:inotify",
            CracFileKind.Fanotify => "anon_inode:[fanotify]",
            CracFileKind.PidFd => $"pidfd:[{own.Number("nspid")}]",
            CracFileKind.Tun => $"/dev/net/tun:{own.Text("netdev")}",
            CracFileKind.BpfMap => $"bpf-map:{own.Text("map_name")}",
            CracFileKind.Namespace => $"ns:[{own.Number("ns_id")}]",
            _ => "",
        };
    }

    /// <summary>The shared memory segment that a mapped memfd's content is in; null where the id is no memfd's.</summary>
    internal ulong? SharedMemoryOf(uint id) =>
        Find(id)?.Record("memfd") is { } memfd && Memfd(memfd) is { } inode ? inode.Number("shmid") : null;

    /// <summary>The size of a file in bytes; null where the image does not say it.</summary>
    internal long? SizeOf(CracImageRecord own) =>
        own.ContainsKey("size") ? (long)own.Number("size")
        : own.ContainsKey("inode_id") && Memfd(own) is { } memfd ? (long)memfd.Number("size")
        : null;

    internal static string Address(CracImageRecord socket, string side)
    {
        object[] words = socket.Items($"{side}_addr");
        Span<byte> bytes = stackalloc byte[16];
        if (words.Length is not (1 or 4))
        {
            return "";
        }

        for (int i = 0; i < words.Length; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(bytes[(i * 4)..], words[i] is uint word ? word : 0);
        }

        return new IPEndPoint(new IPAddress(bytes[..(words.Length * 4)]), (int)(socket.Number($"{side}_port") & 0xffff)).ToString();
    }

    /// <summary>A unix socket's name as proc shows it: a path, or, with an @ first, an abstract name; empty where it has none.</summary>
    internal static string UnixName(CracImageRecord socket)
    {
        string name = QuotedPrintable.DecodeForDisplay(socket.Text("name") ?? "");
        return socket.Text("name_dir") is { Length: > 0 } folder && !name.StartsWith('@') ? Path.Combine(folder, name) : name;
    }

    /// <summary>The unix socket of an inode; null where it is not in the image.</summary>
    internal CracImageRecord? UnixSocket(ulong inode) => _unixByInode.GetValueOrDefault(inode);

    private static string InetPath(CracImageRecord socket)
    {
        string local = Address(socket, "src");
        return socket.Number("dst_port") == 0 ? local : $"{local}->{Address(socket, "dst")}";
    }

    private CracImageRecord? Memfd(CracImageRecord file) => _memfds.GetValueOrDefault(file.Number("inode_id"));

    private string? Named(CracImageRecord own, string field) =>
        own.ContainsKey(field) ? Find((uint)own.Number(field))?.Record("reg")?.Text("name") : null;
}
