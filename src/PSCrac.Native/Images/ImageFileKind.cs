using System.Collections.Frozen;

namespace PSCrac.Images;

/// <summary>What follows the message of an entry.</summary>
internal enum PayloadKind
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>As many bytes as <c>bytes</c> says: pipe data.</summary>
    Pipe,

    /// <summary>As many bytes as <c>length</c> says: a packet of a socket's queue.</summary>
    Packet,

    /// <summary>Two queues, of <c>inq_len</c> and <c>outq_len</c> bytes.</summary>
    TcpQueues,

    /// <summary>Keys and values, of <c>keys_bytes</c> and <c>values_bytes</c> bytes.</summary>
    BpfMap,

    /// <summary>The content of a segment of <c>size</c> bytes, padded to 4, unless it is in a pagemap.</summary>
    SharedMemory,

    /// <summary><c>nsems</c> 16-bit values, padded to 8.</summary>
    Semaphores,

    /// <summary><c>qnum</c> framed messages, each followed by its text, padded to 8.</summary>
    Messages,

    /// <summary>A file's content: the rest, or, where <c>chunks</c> is set, chunk entries each followed by <c>len</c> bytes.</summary>
    Ghost,
}

/// <summary>A type of image file: its name, its entries' message, and what follows each.</summary>
/// <param name="Type">criu's and crit's name of the type, such as "REG_FILES".</param>
/// <param name="Message">The message of its entries; null for a file in a format that is not criu's.</param>
/// <param name="First">The message of the first entry, where that is another; null where it is not.</param>
/// <param name="Payload">What follows each entry.</param>
internal sealed record ImageFileKind(string Type, string? Message, string? First = null, PayloadKind Payload = PayloadKind.None)
{
    private static readonly FrozenDictionary<uint, ImageFileKind> s_byMagic = new Dictionary<uint, ImageFileKind>
    {
        [ImageMagic.Inventory] = new("INVENTORY", "inventory_entry"),
        [ImageMagic.Pstree] = new("PSTREE", "pstree_entry"),
        [ImageMagic.Core] = new("CORE", "core_entry"),
        [ImageMagic.Ids] = new("IDS", "task_kobj_ids_entry"),
        [ImageMagic.Mm] = new("MM", "mm_entry"),
        [ImageMagic.Vmas] = new("VMAS", "vma_entry"),
        [ImageMagic.Pagemap] = new("PAGEMAP", "pagemap_entry", First: "pagemap_head"),
        [ImageMagic.Creds] = new("CREDS", "creds_entry"),
        [ImageMagic.Fs] = new("FS", "fs_entry"),
        [ImageMagic.Sigact] = new("SIGACT", "sa_entry"),
        [ImageMagic.Signal] = new("SIGNAL", "siginfo_entry"),
        [ImageMagic.Rlimit] = new("RLIMIT", "rlimit_entry"),
        [ImageMagic.Itimers] = new("ITIMERS", "itimer_entry"),
        [ImageMagic.PosixTimers] = new("POSIX_TIMERS", "posix_timer_entry"),
        [ImageMagic.Seccomp] = new("SECCOMP", "seccomp_entry"),
        [ImageMagic.Apparmor] = new("APPARMOR", "apparmor_entry"),
        [ImageMagic.Cgroup] = new("CGROUP", "cgroup_entry"),
        [ImageMagic.FileLocks] = new("FILE_LOCKS", "file_lock_entry"),
        [ImageMagic.Fdinfo] = new("FDINFO", "fdinfo_entry"),
        [ImageMagic.Files] = new("FILES", "file_entry"),
        [ImageMagic.RegFiles] = new("REG_FILES", "reg_file_entry"),
        [ImageMagic.ExtFiles] = new("EXT_FILES", "ext_file_entry"),
        [ImageMagic.NsFiles] = new("NS_FILES", "ns_file_entry"),
        [ImageMagic.RemapFpath] = new("REMAP_FPATH", "remap_file_path_entry"),
        [ImageMagic.GhostFile] = new("GHOST_FILE", "ghost_file_entry", Payload: PayloadKind.Ghost),
        [ImageMagic.Pipes] = new("PIPES", "pipe_entry"),
        [ImageMagic.PipesData] = new("PIPES_DATA", "pipe_data_entry", Payload: PayloadKind.Pipe),
        [ImageMagic.Fifo] = new("FIFO", "fifo_entry"),
        [ImageMagic.FifoData] = new("FIFO_DATA", "pipe_data_entry", Payload: PayloadKind.Pipe),
        [ImageMagic.EventfdFile] = new("EVENTFD_FILE", "eventfd_file_entry"),
        [ImageMagic.EventpollFile] = new("EVENTPOLL_FILE", "eventpoll_file_entry"),
        [ImageMagic.EventpollTfd] = new("EVENTPOLL_TFD", "eventpoll_tfd_entry"),
        [ImageMagic.Signalfd] = new("SIGNALFD", "signalfd_entry"),
        [ImageMagic.Timerfd] = new("TIMERFD", "timerfd_entry"),
        [ImageMagic.Pidfd] = new("PIDFD", "pidfd_entry"),
        [ImageMagic.InotifyFile] = new("INOTIFY_FILE", "inotify_file_entry"),
        [ImageMagic.InotifyWd] = new("INOTIFY_WD", "inotify_wd_entry"),
        [ImageMagic.FanotifyFile] = new("FANOTIFY_FILE", "fanotify_file_entry"),
        [ImageMagic.FanotifyMark] = new("FANOTIFY_MARK", "fanotify_mark_entry"),
        [ImageMagic.MemfdInode] = new("MEMFD_INODE", "memfd_inode_entry"),
        [ImageMagic.BpfmapFile] = new("BPFMAP_FILE", "bpfmap_file_entry"),
        [ImageMagic.BpfmapData] = new("BPFMAP_DATA", "bpfmap_data_entry", Payload: PayloadKind.BpfMap),
        [ImageMagic.Inetsk] = new("INETSK", "inet_sk_entry"),
        [ImageMagic.Unixsk] = new("UNIXSK", "unix_sk_entry"),
        [ImageMagic.Packetsk] = new("PACKETSK", "packet_sock_entry"),
        [ImageMagic.NetlinkSk] = new("NETLINK_SK", "netlink_sk_entry"),
        [ImageMagic.SkQueues] = new("SK_QUEUES", "sk_packet_entry", Payload: PayloadKind.Packet),
        [ImageMagic.TcpStream] = new("TCP_STREAM", "tcp_stream_entry", Payload: PayloadKind.TcpQueues),
        [ImageMagic.TtyFiles] = new("TTY_FILES", "tty_file_entry"),
        [ImageMagic.TtyInfo] = new("TTY_INFO", "tty_info_entry"),
        [ImageMagic.TtyData] = new("TTY_DATA", "tty_data_entry"),
        [ImageMagic.Tunfile] = new("TUNFILE", "tunfile_entry"),
        [ImageMagic.Mnts] = new("MNTS", "mnt_entry"),
        [ImageMagic.Autofs] = new("AUTOFS", "autofs_entry"),
        [ImageMagic.BinfmtMisc] = new("BINFMT_MISC", "binfmt_misc_entry"),
        [ImageMagic.Netdev] = new("NETDEV", "net_device_entry"),
        [ImageMagic.Netns] = new("NETNS", "netns_entry"),
        [ImageMagic.Utsns] = new("UTSNS", "utsns_entry"),
        [ImageMagic.Timens] = new("TIMENS", "timens_entry"),
        [ImageMagic.Pidns] = new("PIDNS", "pidns_entry"),
        [ImageMagic.Userns] = new("USERNS", "userns_entry"),
        [ImageMagic.IpcVar] = new("IPC_VAR", "ipc_var_entry"),
        [ImageMagic.IpcnsShm] = new("IPCNS_SHM", "ipc_shm_entry", Payload: PayloadKind.SharedMemory),
        [ImageMagic.IpcnsSem] = new("IPCNS_SEM", "ipc_sem_entry", Payload: PayloadKind.Semaphores),
        [ImageMagic.IpcnsMsg] = new("IPCNS_MSG", "ipc_msg_entry", Payload: PayloadKind.Messages),
        [ImageMagic.Cpuinfo] = new("CPUINFO", "cpuinfo_entry"),
        [ImageMagic.Stats] = new("STATS", "stats_entry"),
        [ImageMagic.IrmapCache] = new("IRMAP_CACHE", "irmap_cache_entry"),
    }.ToFrozenDictionary();

    /// <summary>Files without a magic, by how their names begin: longer beginnings before the shorter ones they contain.</summary>
    private static readonly (string Start, ImageFileKind Kind)[] s_raw =
    [
        ("pages-", new("PAGES", null)),
        ("tmpfs-dev-", new("TMPFS_DEV", null)),
        ("tmpfs-", new("TMPFS_IMG", null)),
        ("ifaddr-", new("IFADDR", null)),
        ("route6-", new("ROUTE6", null)),
        ("route-", new("ROUTE", null)),
        ("rule-", new("RULE", null)),
        ("iptables-", new("IPTABLES", null)),
        ("ip6tables-", new("IP6TABLES", null)),
        ("nftables-", new("NFTABLES", null)),
        ("netns-ct-", new("NETNF_CT", null)),
        ("netns-exp-", new("NETNF_EXP", null)),
    ];

    internal static IEnumerable<KeyValuePair<uint, ImageFileKind>> All => s_byMagic;

    /// <summary>The names of all types.</summary>
    internal static IEnumerable<string> TypeNames
    {
        get
        {
            foreach (ImageFileKind kind in s_byMagic.Values)
            {
                yield return kind.Type;
            }

            foreach ((_, ImageFileKind kind) in s_raw)
            {
                yield return kind.Type;
            }
        }
    }

    /// <summary>Whether a file of an image's directory is part of criu's image, by its name.</summary>
    internal static bool IsImageFile(string name) =>
        name.EndsWith(".img", StringComparison.Ordinal) || name is "stats-dump" or "stats-restore" or "irmap-cache";

    /// <summary>The type of a file without a magic, by its name; null where the file has one.</summary>
    internal static ImageFileKind? OfRawFile(string name)
    {
        foreach ((string start, ImageFileKind kind) in s_raw)
        {
            if (name.StartsWith(start, StringComparison.Ordinal))
            {
                return kind;
            }
        }

        return null;
    }

    /// <summary>The type that a magic stands for; null for a magic that criu 4.2 does not know.</summary>
    internal static ImageFileKind? OfMagic(uint magic) => s_byMagic.GetValueOrDefault(magic);
}
