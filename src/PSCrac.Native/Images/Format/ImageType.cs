namespace PSCrac.Images.Format;

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

/// <summary>
/// A type of image file: how it is recognised, its entries' message, and what follows each. The one list of them: a new type
/// is a row here and its message in Schemas. Magics and names are those of criu's include/magic.h and of crit.
/// </summary>
/// <param name="Name">criu's and crit's name of the type, such as "REG_FILES".</param>
/// <param name="Magic">The number at the beginning of such a file; 0 for a file in a format that is not criu's.</param>
/// <param name="Message">The message of its entries; null for a file in a format that is not criu's.</param>
/// <param name="First">The message of the first entry, where that is another; null where it is not.</param>
/// <param name="Payload">What follows each entry.</param>
internal sealed record ImageType(string Name, uint Magic, string? Message, string? First = null, PayloadKind Payload = PayloadKind.None)
{
    /// <summary>Precedes the magic of every image file since format 1.1, except in inventory.img.</summary>
    internal const uint CommonPrefix = 0x54564319;

    /// <summary>Precedes the magic of files about the image rather than of it: stats-dump, stats-restore, irmap-cache.</summary>
    internal const uint ServicePrefix = 0x55105940;

    private static readonly Dictionary<uint, ImageType> s_byMagic = [];

    internal static readonly ImageType Inventory = Known(0x58313116, "INVENTORY", "inventory_entry");
    internal static readonly ImageType Pstree = Known(0x50273030, "PSTREE", "pstree_entry");
    internal static readonly ImageType Core = Known(0x55053847, "CORE", "core_entry");
    internal static readonly ImageType Ids = Known(0x54432030, "IDS", "task_kobj_ids_entry");
    internal static readonly ImageType Mm = Known(0x57492820, "MM", "mm_entry");
    internal static readonly ImageType Vmas = Known(0x54123737, "VMAS", "vma_entry");
    internal static readonly ImageType Pagemap = Known(0x56084025, "PAGEMAP", "pagemap_entry", first: "pagemap_head");
    internal static readonly ImageType Creds = Known(0x54023547, "CREDS", "creds_entry");
    internal static readonly ImageType Fs = Known(0x51403912, "FS", "fs_entry");
    internal static readonly ImageType Sigact = Known(0x55344201, "SIGACT", "sa_entry");
    internal static readonly ImageType Signal = Known(0x59255647, "SIGNAL", "siginfo_entry");
    internal static readonly ImageType Rlimit = Known(0x57113925, "RLIMIT", "rlimit_entry");
    internal static readonly ImageType Itimers = Known(0x57464056, "ITIMERS", "itimer_entry");
    internal static readonly ImageType PosixTimers = Known(0x52603957, "POSIX_TIMERS", "posix_timer_entry");
    internal static readonly ImageType Seccomp = Known(0x64413049, "SECCOMP", "seccomp_entry");
    internal static readonly ImageType Apparmor = Known(0x59423047, "APPARMOR", "apparmor_entry");
    internal static readonly ImageType Cgroup = Known(0x59383330, "CGROUP", "cgroup_entry");
    internal static readonly ImageType FileLocks = Known(0x54323616, "FILE_LOCKS", "file_lock_entry");
    internal static readonly ImageType Fdinfo = Known(0x56213732, "FDINFO", "fdinfo_entry");
    internal static readonly ImageType Files = Known(0x56303138, "FILES", "file_entry");
    internal static readonly ImageType RegFiles = Known(0x50363636, "REG_FILES", "reg_file_entry");
    internal static readonly ImageType ExtFiles = Known(0x59255641, "EXT_FILES", "ext_file_entry");
    internal static readonly ImageType NsFiles = Known(0x61394011, "NS_FILES", "ns_file_entry");
    internal static readonly ImageType RemapFpath = Known(0x59133954, "REMAP_FPATH", "remap_file_path_entry");
    internal static readonly ImageType GhostFile = Known(0x52583605, "GHOST_FILE", "ghost_file_entry", payload: PayloadKind.Ghost);
    internal static readonly ImageType Pipes = Known(0x56513555, "PIPES", "pipe_entry");
    internal static readonly ImageType PipesData = Known(0x56453709, "PIPES_DATA", "pipe_data_entry", payload: PayloadKind.Pipe);
    internal static readonly ImageType Fifo = Known(0x58364939, "FIFO", "fifo_entry");
    internal static readonly ImageType FifoData = Known(0x59333054, "FIFO_DATA", "pipe_data_entry", payload: PayloadKind.Pipe);
    internal static readonly ImageType EventfdFile = Known(0x44523722, "EVENTFD_FILE", "eventfd_file_entry");
    internal static readonly ImageType EventpollFile = Known(0x45023858, "EVENTPOLL_FILE", "eventpoll_file_entry");
    internal static readonly ImageType EventpollTfd = Known(0x44433746, "EVENTPOLL_TFD", "eventpoll_tfd_entry");
    internal static readonly ImageType Signalfd = Known(0x57323820, "SIGNALFD", "signalfd_entry");
    internal static readonly ImageType Timerfd = Known(0x50493712, "TIMERFD", "timerfd_entry");
    internal static readonly ImageType Pidfd = Known(0x54435556, "PIDFD", "pidfd_entry");
    internal static readonly ImageType InotifyFile = Known(0x48424431, "INOTIFY_FILE", "inotify_file_entry");
    internal static readonly ImageType InotifyWd = Known(0x54562009, "INOTIFY_WD", "inotify_wd_entry");
    internal static readonly ImageType FanotifyFile = Known(0x55096122, "FANOTIFY_FILE", "fanotify_file_entry");
    internal static readonly ImageType FanotifyMark = Known(0x56506035, "FANOTIFY_MARK", "fanotify_mark_entry");
    internal static readonly ImageType MemfdInode = Known(0x48453499, "MEMFD_INODE", "memfd_inode_entry");
    internal static readonly ImageType BpfmapFile = Known(0x57506142, "BPFMAP_FILE", "bpfmap_file_entry");
    internal static readonly ImageType BpfmapData = Known(0x64324033, "BPFMAP_DATA", "bpfmap_data_entry", payload: PayloadKind.BpfMap);
    internal static readonly ImageType Inetsk = Known(0x56443851, "INETSK", "inet_sk_entry");
    internal static readonly ImageType Unixsk = Known(0x54373943, "UNIXSK", "unix_sk_entry");
    internal static readonly ImageType Packetsk = Known(0x60454618, "PACKETSK", "packet_sock_entry");
    internal static readonly ImageType NetlinkSk = Known(0x58005614, "NETLINK_SK", "netlink_sk_entry");
    internal static readonly ImageType SkQueues = Known(0x56264026, "SK_QUEUES", "sk_packet_entry", payload: PayloadKind.Packet);
    internal static readonly ImageType TcpStream = Known(0x51465506, "TCP_STREAM", "tcp_stream_entry", payload: PayloadKind.TcpQueues);
    internal static readonly ImageType TtyFiles = Known(0x59433025, "TTY_FILES", "tty_file_entry");
    internal static readonly ImageType TtyInfo = Known(0x59453036, "TTY_INFO", "tty_info_entry");
    internal static readonly ImageType TtyData = Known(0x59413026, "TTY_DATA", "tty_data_entry");
    internal static readonly ImageType Tunfile = Known(0x57143751, "TUNFILE", "tunfile_entry");
    internal static readonly ImageType Mnts = Known(0x55563928, "MNTS", "mnt_entry");
    internal static readonly ImageType Autofs = Known(0x49353943, "AUTOFS", "autofs_entry");
    internal static readonly ImageType BinfmtMisc = Known(0x67343323, "BINFMT_MISC", "binfmt_misc_entry");
    internal static readonly ImageType Netdev = Known(0x57373951, "NETDEV", "net_device_entry");
    internal static readonly ImageType Netns = Known(0x55933752, "NETNS", "netns_entry");
    internal static readonly ImageType Utsns = Known(0x54473203, "UTSNS", "utsns_entry");
    internal static readonly ImageType Timens = Known(0x43114433, "TIMENS", "timens_entry");
    internal static readonly ImageType Pidns = Known(0x61157326, "PIDNS", "pidns_entry");
    internal static readonly ImageType Userns = Known(0x55474906, "USERNS", "userns_entry");
    internal static readonly ImageType IpcVar = Known(0x53115007, "IPC_VAR", "ipc_var_entry");
    internal static readonly ImageType IpcnsShm = Known(0x46283044, "IPCNS_SHM", "ipc_shm_entry", payload: PayloadKind.SharedMemory);
    internal static readonly ImageType IpcnsSem = Known(0x59573019, "IPCNS_SEM", "ipc_sem_entry", payload: PayloadKind.Semaphores);
    internal static readonly ImageType IpcnsMsg = Known(0x55453737, "IPCNS_MSG", "ipc_msg_entry", payload: PayloadKind.Messages);
    internal static readonly ImageType Cpuinfo = Known(0x61404013, "CPUINFO", "cpuinfo_entry");
    internal static readonly ImageType Stats = Known(0x57093306, "STATS", "stats_entry");
    internal static readonly ImageType IrmapCache = Known(0x57004059, "IRMAP_CACHE", "irmap_cache_entry");

    /// <summary>Files without a magic, by how their names begin: longer beginnings before the shorter ones they contain.</summary>
    private static readonly (string Start, ImageType Type)[] s_raw =
    [
        ("pages-", new("PAGES", 0, null)),
        ("tmpfs-dev-", new("TMPFS_DEV", 0, null)),
        ("tmpfs-", new("TMPFS_IMG", 0, null)),
        ("ifaddr-", new("IFADDR", 0, null)),
        ("route6-", new("ROUTE6", 0, null)),
        ("route-", new("ROUTE", 0, null)),
        ("rule-", new("RULE", 0, null)),
        ("iptables-", new("IPTABLES", 0, null)),
        ("ip6tables-", new("IP6TABLES", 0, null)),
        ("nftables-", new("NFTABLES", 0, null)),
        ("netns-ct-", new("NETNF_CT", 0, null)),
        ("netns-exp-", new("NETNF_EXP", 0, null)),
    ];

    /// <summary>All types with a magic.</summary>
    internal static IReadOnlyCollection<ImageType> All => s_byMagic.Values;

    /// <summary>The names of all types.</summary>
    internal static IEnumerable<string> TypeNames
    {
        get
        {
            foreach (ImageType type in s_byMagic.Values)
            {
                yield return type.Name;
            }

            foreach ((_, ImageType type) in s_raw)
            {
                yield return type.Name;
            }
        }
    }

    /// <summary>Whether a file of an image's directory is part of criu's image, by its name.</summary>
    internal static bool IsImageFile(string name) =>
        name.EndsWith(".img", StringComparison.Ordinal) || name is "stats-dump" or "stats-restore" or "irmap-cache";

    /// <summary>The type of a file without a magic, by its name; null where the file has one.</summary>
    internal static ImageType? OfRawFile(string name)
    {
        foreach ((string start, ImageType type) in s_raw)
        {
            if (name.StartsWith(start, StringComparison.Ordinal))
            {
                return type;
            }
        }

        return null;
    }

    /// <summary>The type that a magic stands for; null for a magic that criu 4.2 does not know.</summary>
    internal static ImageType? OfMagic(uint magic) => s_byMagic.GetValueOrDefault(magic);

    private static ImageType Known(uint magic, string name, string message, string? first = null, PayloadKind payload = PayloadKind.None)
    {
        var type = new ImageType(name, magic, message, first, payload);
        s_byMagic.Add(magic, type);
        return type;
    }
}
