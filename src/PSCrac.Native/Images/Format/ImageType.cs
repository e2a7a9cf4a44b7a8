namespace PSCrac.Images.Format;

/// <summary>The payload after the message of an entry.</summary>
internal enum PayloadKind
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Pipe data: <c>bytes</c> bytes.</summary>
    Pipe,

    /// <summary>A packet of a socket's queue: <c>length</c> bytes.</summary>
    Packet,

    /// <summary>Two queues, of <c>inq_len</c> and <c>outq_len</c> bytes.</summary>
    TcpQueues,

    /// <summary>Keys and values, of <c>keys_bytes</c> and <c>values_bytes</c> bytes.</summary>
    BpfMap,

    /// <summary>The content of a segment: <c>size</c> bytes, padded to 4; nothing if the content is in a pagemap.</summary>
    SharedMemory,

    /// <summary><c>nsems</c> 16-bit values, padded to 8.</summary>
    Semaphores,

    /// <summary><c>qnum</c> framed messages, each followed by its text, padded to 8.</summary>
    Messages,

    /// <summary>A file's content: the rest of the file or, if <c>chunks</c> is set, chunk entries, each followed by <c>len</c> bytes.</summary>
    Ghost,
}

/// <summary>
/// A type of image file: its magic, the message of its entries, and the payload after each. This is the only list: a new type
/// is a row here and a message in Schemas. Magics and names are those of criu's include/magic.h and of crit.
/// </summary>
/// <param name="Name">criu's and crit's name for the type, such as "REG_FILES".</param>
/// <param name="Magic">The number at the beginning of the file; 0 for a format that is not criu's.</param>
/// <param name="Message">The message of its entries; null for a format that is not criu's.</param>
/// <param name="First">The message of the first entry, if it differs; else null.</param>
/// <param name="Payload">The payload after each message.</param>
internal sealed record ImageType(string Name, uint Magic, string? Message, string? First = null, PayloadKind Payload = PayloadKind.None)
{
    /// <summary>Precedes the magic of every image file since format 1.1, except in inventory.img.</summary>
    internal const uint CommonPrefix = 0x54564319;

    /// <summary>Precedes the magic of service files: stats-dump, stats-restore, irmap-cache.</summary>
    internal const uint ServicePrefix = 0x55105940;

    private static readonly Dictionary<uint, ImageType> s_byMagic = [];

    internal static readonly ImageType Inventory = Register(0x58313116, "INVENTORY", "inventory_entry");
    internal static readonly ImageType Pstree = Register(0x50273030, "PSTREE", "pstree_entry");
    internal static readonly ImageType Core = Register(0x55053847, "CORE", "core_entry");
    internal static readonly ImageType Ids = Register(0x54432030, "IDS", "task_kobj_ids_entry");
    internal static readonly ImageType Mm = Register(0x57492820, "MM", "mm_entry");
    internal static readonly ImageType Vmas = Register(0x54123737, "VMAS", "vma_entry");
    internal static readonly ImageType Pagemap = Register(0x56084025, "PAGEMAP", "pagemap_entry", first: "pagemap_head");
    internal static readonly ImageType Creds = Register(0x54023547, "CREDS", "creds_entry");
    internal static readonly ImageType Fs = Register(0x51403912, "FS", "fs_entry");
    internal static readonly ImageType Sigact = Register(0x55344201, "SIGACT", "sa_entry");
    internal static readonly ImageType Signal = Register(0x59255647, "SIGNAL", "siginfo_entry");
    internal static readonly ImageType Rlimit = Register(0x57113925, "RLIMIT", "rlimit_entry");
    internal static readonly ImageType Itimers = Register(0x57464056, "ITIMERS", "itimer_entry");
    internal static readonly ImageType PosixTimers = Register(0x52603957, "POSIX_TIMERS", "posix_timer_entry");
    internal static readonly ImageType Seccomp = Register(0x64413049, "SECCOMP", "seccomp_entry");
    internal static readonly ImageType Apparmor = Register(0x59423047, "APPARMOR", "apparmor_entry");
    internal static readonly ImageType Cgroup = Register(0x59383330, "CGROUP", "cgroup_entry");
    internal static readonly ImageType FileLocks = Register(0x54323616, "FILE_LOCKS", "file_lock_entry");
    internal static readonly ImageType Fdinfo = Register(0x56213732, "FDINFO", "fdinfo_entry");
    internal static readonly ImageType Files = Register(0x56303138, "FILES", "file_entry");
    internal static readonly ImageType RegFiles = Register(0x50363636, "REG_FILES", "reg_file_entry");
    internal static readonly ImageType ExtFiles = Register(0x59255641, "EXT_FILES", "ext_file_entry");
    internal static readonly ImageType NsFiles = Register(0x61394011, "NS_FILES", "ns_file_entry");
    internal static readonly ImageType RemapFpath = Register(0x59133954, "REMAP_FPATH", "remap_file_path_entry");
    internal static readonly ImageType GhostFile = Register(0x52583605, "GHOST_FILE", "ghost_file_entry", payload: PayloadKind.Ghost);
    internal static readonly ImageType Pipes = Register(0x56513555, "PIPES", "pipe_entry");
    internal static readonly ImageType PipesData = Register(0x56453709, "PIPES_DATA", "pipe_data_entry", payload: PayloadKind.Pipe);
    internal static readonly ImageType Fifo = Register(0x58364939, "FIFO", "fifo_entry");
    internal static readonly ImageType FifoData = Register(0x59333054, "FIFO_DATA", "pipe_data_entry", payload: PayloadKind.Pipe);
    internal static readonly ImageType EventfdFile = Register(0x44523722, "EVENTFD_FILE", "eventfd_file_entry");
    internal static readonly ImageType EventpollFile = Register(0x45023858, "EVENTPOLL_FILE", "eventpoll_file_entry");
    internal static readonly ImageType EventpollTfd = Register(0x44433746, "EVENTPOLL_TFD", "eventpoll_tfd_entry");
    internal static readonly ImageType Signalfd = Register(0x57323820, "SIGNALFD", "signalfd_entry");
    internal static readonly ImageType Timerfd = Register(0x50493712, "TIMERFD", "timerfd_entry");
    internal static readonly ImageType Pidfd = Register(0x54435556, "PIDFD", "pidfd_entry");
    internal static readonly ImageType InotifyFile = Register(0x48424431, "INOTIFY_FILE", "inotify_file_entry");
    internal static readonly ImageType InotifyWd = Register(0x54562009, "INOTIFY_WD", "inotify_wd_entry");
    internal static readonly ImageType FanotifyFile = Register(0x55096122, "FANOTIFY_FILE", "fanotify_file_entry");
    internal static readonly ImageType FanotifyMark = Register(0x56506035, "FANOTIFY_MARK", "fanotify_mark_entry");
    internal static readonly ImageType MemfdInode = Register(0x48453499, "MEMFD_INODE", "memfd_inode_entry");
    internal static readonly ImageType BpfmapFile = Register(0x57506142, "BPFMAP_FILE", "bpfmap_file_entry");
    internal static readonly ImageType BpfmapData = Register(0x64324033, "BPFMAP_DATA", "bpfmap_data_entry", payload: PayloadKind.BpfMap);
    internal static readonly ImageType Inetsk = Register(0x56443851, "INETSK", "inet_sk_entry");
    internal static readonly ImageType Unixsk = Register(0x54373943, "UNIXSK", "unix_sk_entry");
    internal static readonly ImageType Packetsk = Register(0x60454618, "PACKETSK", "packet_sock_entry");
    internal static readonly ImageType NetlinkSk = Register(0x58005614, "NETLINK_SK", "netlink_sk_entry");
    internal static readonly ImageType SkQueues = Register(0x56264026, "SK_QUEUES", "sk_packet_entry", payload: PayloadKind.Packet);
    internal static readonly ImageType TcpStream = Register(0x51465506, "TCP_STREAM", "tcp_stream_entry", payload: PayloadKind.TcpQueues);
    internal static readonly ImageType TtyFiles = Register(0x59433025, "TTY_FILES", "tty_file_entry");
    internal static readonly ImageType TtyInfo = Register(0x59453036, "TTY_INFO", "tty_info_entry");
    internal static readonly ImageType TtyData = Register(0x59413026, "TTY_DATA", "tty_data_entry");
    internal static readonly ImageType Tunfile = Register(0x57143751, "TUNFILE", "tunfile_entry");
    internal static readonly ImageType Mnts = Register(0x55563928, "MNTS", "mnt_entry");
    internal static readonly ImageType Autofs = Register(0x49353943, "AUTOFS", "autofs_entry");
    internal static readonly ImageType BinfmtMisc = Register(0x67343323, "BINFMT_MISC", "binfmt_misc_entry");
    internal static readonly ImageType Netdev = Register(0x57373951, "NETDEV", "net_device_entry");
    internal static readonly ImageType Netns = Register(0x55933752, "NETNS", "netns_entry");
    internal static readonly ImageType Utsns = Register(0x54473203, "UTSNS", "utsns_entry");
    internal static readonly ImageType Timens = Register(0x43114433, "TIMENS", "timens_entry");
    internal static readonly ImageType Pidns = Register(0x61157326, "PIDNS", "pidns_entry");
    internal static readonly ImageType Userns = Register(0x55474906, "USERNS", "userns_entry");
    internal static readonly ImageType IpcVar = Register(0x53115007, "IPC_VAR", "ipc_var_entry");
    internal static readonly ImageType IpcnsShm = Register(0x46283044, "IPCNS_SHM", "ipc_shm_entry", payload: PayloadKind.SharedMemory);
    internal static readonly ImageType IpcnsSem = Register(0x59573019, "IPCNS_SEM", "ipc_sem_entry", payload: PayloadKind.Semaphores);
    internal static readonly ImageType IpcnsMsg = Register(0x55453737, "IPCNS_MSG", "ipc_msg_entry", payload: PayloadKind.Messages);
    internal static readonly ImageType Cpuinfo = Register(0x61404013, "CPUINFO", "cpuinfo_entry");
    internal static readonly ImageType Stats = Register(0x57093306, "STATS", "stats_entry");
    internal static readonly ImageType IrmapCache = Register(0x57004059, "IRMAP_CACHE", "irmap_cache_entry");

    /// <summary>Files without a magic, by the prefix of their names; longer prefixes before shorter ones.</summary>
    private static readonly (string Prefix, ImageType Type)[] s_raw =
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

    /// <summary>Whether a file name in an image's directory belongs to criu's image.</summary>
    internal static bool IsImageFile(string name) =>
        name.EndsWith(".img", StringComparison.Ordinal) || name is "stats-dump" or "stats-restore" or "irmap-cache";

    /// <summary>The type of a file without a magic, by its name; null if the file has a magic.</summary>
    internal static ImageType? OfRawFile(string name)
    {
        foreach ((string prefix, ImageType type) in s_raw)
        {
            if (name.StartsWith(prefix, StringComparison.Ordinal))
            {
                return type;
            }
        }

        return null;
    }

    /// <summary>The type of a magic; null for a magic that criu 4.2 does not know.</summary>
    internal static ImageType? OfMagic(uint magic) => s_byMagic.GetValueOrDefault(magic);

    private static ImageType Register(uint magic, string name, string message, string? first = null, PayloadKind payload = PayloadKind.None)
    {
        var type = new ImageType(name, magic, message, first, payload);
        s_byMagic.Add(magic, type);
        return type;
    }
}
