using PSCrac.Images.Model;

namespace PSCrac;

/// <summary>The kind of an open file. The values are those of criu's fd_types.</summary>
public enum CracFileKind
{
    /// <summary>Not known to criu 4.2, or not in the image.</summary>
    Unknown = 0,

    /// <summary>A regular file, directory or device of a file system.</summary>
    Regular = 1,

    /// <summary>One end of a pipe.</summary>
    Pipe = 2,

    /// <summary>A named pipe.</summary>
    Fifo = 3,

    /// <summary>A TCP, UDP or raw IP socket.</summary>
    InetSocket = 4,

    /// <summary>A unix socket.</summary>
    UnixSocket = 5,

    /// <summary>An eventfd.</summary>
    EventFd = 6,

    /// <summary>An epoll instance.</summary>
    EventPoll = 7,

    /// <summary>An inotify instance.</summary>
    Inotify = 8,

    /// <summary>A signalfd.</summary>
    SignalFd = 9,

    /// <summary>A packet socket.</summary>
    PacketSocket = 10,

    /// <summary>A terminal.</summary>
    Terminal = 11,

    /// <summary>A fanotify group.</summary>
    Fanotify = 12,

    /// <summary>A netlink socket.</summary>
    NetlinkSocket = 13,

    /// <summary>A namespace file (/proc/PID/ns).</summary>
    Namespace = 14,

    /// <summary>A tun or tap device.</summary>
    Tun = 15,

    /// <summary>A file that a criu plugin handles.</summary>
    External = 16,

    /// <summary>A timerfd.</summary>
    TimerFd = 17,

    /// <summary>A memfd.</summary>
    MemFd = 18,

    /// <summary>A BPF map.</summary>
    BpfMap = 19,

    /// <summary>A pidfd.</summary>
    PidFd = 20,
}

/// <summary>How a process uses a file.</summary>
public enum CracFileRole
{
    /// <summary>An open descriptor.</summary>
    Descriptor = 0,

    /// <summary>The working directory.</summary>
    WorkingDirectory,

    /// <summary>The root directory.</summary>
    RootDirectory,

    /// <summary>The executable.</summary>
    Executable,
}

/// <summary>A file that a process in an image had open.</summary>
public sealed class CracImageFile
{
    private static readonly (uint Bit, string Name)[] s_flags =
    [
        (0x40, "O_CREAT"), (0x80, "O_EXCL"), (0x100, "O_NOCTTY"), (0x200, "O_TRUNC"), (0x400, "O_APPEND"), (0x800, "O_NONBLOCK"),
        (0x1000, "O_DSYNC"), (0x2000, "O_ASYNC"), (0x4000, "O_DIRECT"), (0x8000, "O_LARGEFILE"), (0x10000, "O_DIRECTORY"),
        (0x20000, "O_NOFOLLOW"), (0x40000, "O_NOATIME"), (0x80000, "O_CLOEXEC"), (0x200000, "O_PATH"),
    ];

    private readonly OpenFileTable _table;
    private readonly CracImageRecord? _kindEntry;

    internal CracImageFile(OpenFileTable table, int processId, CracFileRole role, int? descriptor, bool closeOnExec, uint id)
    {
        _table = table;
        ProcessId = processId;
        Role = role;
        Descriptor = descriptor;
        CloseOnExec = closeOnExec;
        Id = (int)id;
        Details = table.Find(id);
        _kindEntry = Details is null ? null : OpenFileTable.GetKindEntry(Details);
    }

    /// <summary>The process id.</summary>
    public int ProcessId { get; }

    /// <summary>How the process uses the file.</summary>
    public CracFileRole Role { get; }

    /// <summary>The descriptor's number; null for the working and root directories and the executable.</summary>
    public int? Descriptor { get; }

    /// <summary>Whether the descriptor is closed when the process executes another program (FD_CLOEXEC).</summary>
    public bool CloseOnExec { get; }

    /// <summary>The open file's id in files.img; equal for descriptors that share one open file description.</summary>
    public int Id { get; }

    /// <summary>The kind of the file.</summary>
    public CracFileKind Kind => Details is null ? CracFileKind.Unknown : OpenFileTable.KindOf(Details);

    /// <summary>The path; without one, the text that proc shows for such a descriptor, or a socket's addresses.</summary>
    public string Path => _table.PathOf((uint)Id);

    /// <summary>Whether the path was unlinked. The image then contains the file's content or refers to a link to it.</summary>
    public bool IsDeleted => _table.IsUnlinked((uint)Id);

    /// <summary>The file position, in bytes; null if the file has none.</summary>
    public long? Position => _kindEntry is not null && _kindEntry.ContainsKey("pos") ? (long)_kindEntry.GetNumber("pos") : null;

    /// <summary>The size at the checkpoint, in bytes; null if the file has none or the image does not record it.</summary>
    public long? Size => _kindEntry is null ? null : _table.SizeOf(_kindEntry);

    /// <summary>The open(2) flags, such as "O_RDWR|O_APPEND".</summary>
    public string Flags => FormatFlags((uint)(_kindEntry?.GetNumber("flags") ?? 0));

    /// <summary>The file's decoded entry in files.img; null if the image has none.</summary>
    internal CracImageRecord? Details { get; }

    /// <inheritdoc/>
    public override string ToString() => Descriptor is { } number ? $"{ProcessId}:{number} {Path}" : $"{ProcessId}:{Role} {Path}";

    private static string FormatFlags(uint flags)
    {
        string text = (flags & 3) switch
        {
            0 => "O_RDONLY",
            1 => "O_WRONLY",
            2 => "O_RDWR",
            _ => "O_ACCMODE",
        };
        flags &= ~3u;
        foreach ((uint bit, string name) in s_flags)
        {
            if ((flags & bit) != 0)
            {
                text += "|" + name;
                flags &= ~bit;
            }
        }

        return flags == 0 ? text : $"{text}|0x{flags:x}";
    }
}
