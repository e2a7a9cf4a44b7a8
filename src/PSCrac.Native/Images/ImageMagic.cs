using System.Collections.Frozen;

namespace PSCrac.Images;

/// <summary>The numbers that say what the entries of an image file are, with the names that criu and crit give them.</summary>
internal static class ImageMagic
{
    /// <summary>Precedes the magic of every image file since format 1.1, except in inventory.img.</summary>
    internal const uint CommonPrefix = 0x54564319;

    /// <summary>Precedes the magic of files about the image rather than of it: stats-dump, stats-restore, irmap-cache.</summary>
    internal const uint ServicePrefix = 0x55105940;

    internal const uint Apparmor = 0x59423047;
    internal const uint Autofs = 0x49353943;
    internal const uint BinfmtMisc = 0x67343323;
    internal const uint BpfmapData = 0x64324033;
    internal const uint BpfmapFile = 0x57506142;
    internal const uint Cgroup = 0x59383330;
    internal const uint Core = 0x55053847;
    internal const uint Cpuinfo = 0x61404013;
    internal const uint Creds = 0x54023547;
    internal const uint EventfdFile = 0x44523722;
    internal const uint EventpollFile = 0x45023858;
    internal const uint EventpollTfd = 0x44433746;
    internal const uint ExtFiles = 0x59255641;
    internal const uint FanotifyFile = 0x55096122;
    internal const uint FanotifyMark = 0x56506035;
    internal const uint Fdinfo = 0x56213732;
    internal const uint Fifo = 0x58364939;
    internal const uint FifoData = 0x59333054;
    internal const uint Files = 0x56303138;
    internal const uint FileLocks = 0x54323616;
    internal const uint Fs = 0x51403912;
    internal const uint GhostFile = 0x52583605;
    internal const uint Ids = 0x54432030;
    internal const uint Inetsk = 0x56443851;
    internal const uint InotifyFile = 0x48424431;
    internal const uint InotifyWd = 0x54562009;
    internal const uint Inventory = 0x58313116;
    internal const uint IpcnsMsg = 0x55453737;
    internal const uint IpcnsSem = 0x59573019;
    internal const uint IpcnsShm = 0x46283044;
    internal const uint IpcVar = 0x53115007;
    internal const uint IrmapCache = 0x57004059;
    internal const uint Itimers = 0x57464056;
    internal const uint MemfdInode = 0x48453499;
    internal const uint Mm = 0x57492820;
    internal const uint Mnts = 0x55563928;
    internal const uint Netdev = 0x57373951;
    internal const uint NetlinkSk = 0x58005614;
    internal const uint Netns = 0x55933752;
    internal const uint NsFiles = 0x61394011;
    internal const uint Packetsk = 0x60454618;
    internal const uint Pagemap = 0x56084025;
    internal const uint Pidfd = 0x54435556;
    internal const uint Pidns = 0x61157326;
    internal const uint Pipes = 0x56513555;
    internal const uint PipesData = 0x56453709;
    internal const uint PosixTimers = 0x52603957;
    internal const uint Pstree = 0x50273030;
    internal const uint RegFiles = 0x50363636;
    internal const uint RemapFpath = 0x59133954;
    internal const uint Rlimit = 0x57113925;
    internal const uint Seccomp = 0x64413049;
    internal const uint Sigact = 0x55344201;
    internal const uint Signal = 0x59255647;
    internal const uint Signalfd = 0x57323820;
    internal const uint SkQueues = 0x56264026;
    internal const uint Stats = 0x57093306;
    internal const uint TcpStream = 0x51465506;
    internal const uint Timens = 0x43114433;
    internal const uint Timerfd = 0x50493712;
    internal const uint TtyData = 0x59413026;
    internal const uint TtyFiles = 0x59433025;
    internal const uint TtyInfo = 0x59453036;
    internal const uint Tunfile = 0x57143751;
    internal const uint Unixsk = 0x54373943;
    internal const uint Userns = 0x55474906;
    internal const uint Utsns = 0x54473203;
    internal const uint Vmas = 0x54123737;

    private static readonly FrozenDictionary<uint, string> s_names = new Dictionary<uint, string>
    {
        [Apparmor] = "APPARMOR",
        [Autofs] = "AUTOFS",
        [BinfmtMisc] = "BINFMT_MISC",
        [BpfmapData] = "BPFMAP_DATA",
        [BpfmapFile] = "BPFMAP_FILE",
        [Cgroup] = "CGROUP",
        [Core] = "CORE",
        [Cpuinfo] = "CPUINFO",
        [Creds] = "CREDS",
        [EventfdFile] = "EVENTFD_FILE",
        [EventpollFile] = "EVENTPOLL_FILE",
        [EventpollTfd] = "EVENTPOLL_TFD",
        [ExtFiles] = "EXT_FILES",
        [FanotifyFile] = "FANOTIFY_FILE",
        [FanotifyMark] = "FANOTIFY_MARK",
        [Fdinfo] = "FDINFO",
        [Fifo] = "FIFO",
        [FifoData] = "FIFO_DATA",
        [Files] = "FILES",
        [FileLocks] = "FILE_LOCKS",
        [Fs] = "FS",
        [GhostFile] = "GHOST_FILE",
        [Ids] = "IDS",
        [Inetsk] = "INETSK",
        [InotifyFile] = "INOTIFY_FILE",
        [InotifyWd] = "INOTIFY_WD",
        [Inventory] = "INVENTORY",
        [IpcnsMsg] = "IPCNS_MSG",
        [IpcnsSem] = "IPCNS_SEM",
        [IpcnsShm] = "IPCNS_SHM",
        [IpcVar] = "IPC_VAR",
        [IrmapCache] = "IRMAP_CACHE",
        [Itimers] = "ITIMERS",
        [MemfdInode] = "MEMFD_INODE",
        [Mm] = "MM",
        [Mnts] = "MNTS",
        [Netdev] = "NETDEV",
        [NetlinkSk] = "NETLINK_SK",
        [Netns] = "NETNS",
        [NsFiles] = "NS_FILES",
        [Packetsk] = "PACKETSK",
        [Pagemap] = "PAGEMAP",
        [Pidfd] = "PIDFD",
        [Pidns] = "PIDNS",
        [Pipes] = "PIPES",
        [PipesData] = "PIPES_DATA",
        [PosixTimers] = "POSIX_TIMERS",
        [Pstree] = "PSTREE",
        [RegFiles] = "REG_FILES",
        [RemapFpath] = "REMAP_FPATH",
        [Rlimit] = "RLIMIT",
        [Seccomp] = "SECCOMP",
        [Sigact] = "SIGACT",
        [Signal] = "SIGNAL",
        [Signalfd] = "SIGNALFD",
        [SkQueues] = "SK_QUEUES",
        [Stats] = "STATS",
        [TcpStream] = "TCP_STREAM",
        [Timens] = "TIMENS",
        [Timerfd] = "TIMERFD",
        [TtyData] = "TTY_DATA",
        [TtyFiles] = "TTY_FILES",
        [TtyInfo] = "TTY_INFO",
        [Tunfile] = "TUNFILE",
        [Unixsk] = "UNIXSK",
        [Userns] = "USERNS",
        [Utsns] = "UTSNS",
        [Vmas] = "VMAS",
    }.ToFrozenDictionary();

    /// <summary>All magics that are known.</summary>
    internal static IEnumerable<KeyValuePair<uint, string>> All => s_names;

    /// <summary>criu's name of a magic, such as "REG_FILES"; null for a number that criu 4.2 does not know.</summary>
    internal static string? NameOf(uint magic) => s_names.GetValueOrDefault(magic);
}
