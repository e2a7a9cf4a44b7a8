using System.Net;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Model;

/// <summary>The open files of an image by id: files.img, with additions from memfd.img and remap-fpath.img.</summary>
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
            _files[(uint)file.GetNumber("id")] = file;
            if (file.GetRecord("usk") is { } socket)
            {
                _unixByInode[socket.GetNumber("ino")] = socket;
            }
        }

        foreach (CracImageRecord memfd in source.ReadRecords("memfd.img", ImageType.MemfdInode))
        {
            _memfds[memfd.GetNumber("inode_id")] = memfd;
        }

        foreach (CracImageRecord remap in source.ReadRecords(RemapTable.FileName, ImageType.RemapFpath))
        {
            _unlinked.Add((uint)remap.GetNumber("orig_id"));
        }
    }

    internal IEnumerable<CracImageRecord> All => _files.Values;

    /// <summary>Finds the entry of an open file; null if there is none with this id.</summary>
    internal CracImageRecord? Find(uint id) => _files.GetValueOrDefault(id);

    /// <summary>Whether the file's path was unlinked when it was dumped.</summary>
    internal bool IsUnlinked(uint id) => _unlinked.Contains(id);

    internal static CracFileKind KindOf(CracImageRecord file) => file.GetText("type") switch
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

    /// <summary>The nested message for the file's kind in its entry; null if there is none.</summary>
    internal static CracImageRecord? GetKindEntry(CracImageRecord file)
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

    /// <summary>A file's path; without one, the text that proc shows for such a descriptor.</summary>
    internal string PathOf(uint id)
    {
        if (Find(id) is not { } file || GetKindEntry(file) is not { } own)
        {
            return "";
        }

        return KindOf(file) switch
        {
            CracFileKind.Regular => own.GetText("name") ?? "",
            CracFileKind.Pipe => $"pipe:[{own.GetNumber("pipe_id")}]",
            CracFileKind.Fifo => FindPath(own, "regf_id") ?? $"fifo:[{own.GetNumber("pipe_id")}]",
            CracFileKind.Terminal => FindPath(own, "regf_id") ?? $"tty:[{own.GetNumber("tty_info_id")}]",
            CracFileKind.InetSocket => InetPath(own),
            CracFileKind.UnixSocket => FormatUnixName(own) is { Length: > 0 } name ? name : $"socket:[{own.GetNumber("ino")}]",
            CracFileKind.NetlinkSocket or CracFileKind.PacketSocket => $"socket:[{own.GetNumber("ino")}]",
            CracFileKind.MemFd => $"/memfd:{FindMemfd(own)?.GetText("name")}",
            CracFileKind.EventFd => "anon_inode:[eventfd]",
            CracFileKind.EventPoll => "anon_inode:[eventpoll]",
            CracFileKind.SignalFd => "anon_inode:[signalfd]",
            CracFileKind.TimerFd => "anon_inode:[timerfd]",
            CracFileKind.Inotify => "anon_inode:inotify",
            CracFileKind.Fanotify => "anon_inode:[fanotify]",
            CracFileKind.PidFd => $"pidfd:[{own.GetNumber("nspid")}]",
            CracFileKind.Tun => $"/dev/net/tun:{own.GetText("netdev")}",
            CracFileKind.BpfMap => $"bpf-map:{own.GetText("map_name")}",
            CracFileKind.Namespace => $"ns:[{own.GetNumber("ns_id")}]",
            _ => "",
        };
    }

    /// <summary>The shared memory segment that holds a memfd's content; null if the file is not a memfd.</summary>
    internal ulong? FindSharedMemory(uint id) =>
        Find(id)?.GetRecord("memfd") is { } memfd && FindMemfd(memfd) is { } inode ? inode.GetNumber("shmid") : null;

    /// <summary>The size of a file, in bytes; null if the image does not record it.</summary>
    internal long? SizeOf(CracImageRecord own) =>
        own.ContainsKey("size") ? (long)own.GetNumber("size")
        : own.ContainsKey("inode_id") && FindMemfd(own) is { } memfd ? (long)memfd.GetNumber("size")
        : null;

    internal static string FormatAddress(CracImageRecord socket, string side)
    {
        object[] words = socket.GetItems($"{side}_addr");
        Span<byte> bytes = stackalloc byte[16];
        if (words.Length is not (1 or 4))
        {
            return "";
        }

        for (int i = 0; i < words.Length; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(bytes[(i * 4)..], words[i] is uint word ? word : 0);
        }

        return new IPEndPoint(new IPAddress(bytes[..(words.Length * 4)]), (int)(socket.GetNumber($"{side}_port") & 0xffff)).ToString();
    }

    /// <summary>A unix socket's name as proc shows it: a path, or @ and an abstract name; empty if it has none.</summary>
    internal static string FormatUnixName(CracImageRecord socket)
    {
        string name = QuotedPrintable.DecodeForDisplay(socket.GetText("name") ?? "");
        return socket.GetText("name_dir") is { Length: > 0 } folder && !name.StartsWith('@') ? Path.Combine(folder, name) : name;
    }

    /// <summary>Finds a unix socket by its inode; null if it is not in the image.</summary>
    internal CracImageRecord? FindUnixSocket(ulong inode) => _unixByInode.GetValueOrDefault(inode);

    private static string InetPath(CracImageRecord socket)
    {
        string local = FormatAddress(socket, "src");
        return socket.GetNumber("dst_port") == 0 ? local : $"{local}->{FormatAddress(socket, "dst")}";
    }

    private CracImageRecord? FindMemfd(CracImageRecord file) => _memfds.GetValueOrDefault(file.GetNumber("inode_id"));

    private string? FindPath(CracImageRecord own, string field) =>
        own.ContainsKey(field) ? Find((uint)own.GetNumber(field))?.GetRecord("reg")?.GetText("name") : null;
}
