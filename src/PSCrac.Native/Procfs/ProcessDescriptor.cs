namespace PSCrac.Procfs;

/// <summary>A file that an epoll descriptor watches: a "tfd:" line of its fdinfo.</summary>
/// <param name="Descriptor">The descriptor number when the file was added. The process may have closed or reused it since.</param>
/// <param name="Inode">The file's inode.</param>
internal readonly record struct EventPollTarget(int Descriptor, ulong Inode);

/// <summary>A file or directory that an inotify or fanotify descriptor watches: such a line of its fdinfo.</summary>
/// <param name="Inode">The inode.</param>
/// <param name="Device">The device of its file system.</param>
/// <param name="HandleType">The type of its file handle (fanotify(7), name_to_handle_at(2)).</param>
/// <param name="Handle">The bytes of its file handle; null where the file system has none.</param>
internal readonly record struct FileWatch(ulong Inode, DeviceNumber Device, int HandleType, byte[]? Handle);

/// <summary>An open descriptor: /proc/PID/fd/N and /proc/PID/fdinfo/N (proc(5)).</summary>
internal sealed record ProcessDescriptor
{
    internal const int AccessModeMask = 3;
    internal const int WriteOnlyFlag = 1;
    internal const int AppendFlag = 0x400;

    // O_DIRECT depends on the architecture: arm64 swaps the values of O_DIRECT and O_DIRECTORY on x86.
    internal static readonly int DirectFlag =
        System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture is System.Runtime.InteropServices.Architecture.Arm64 ? 0x10000 : 0x4000;

    internal const int PathOnlyFlag = 0x200000;

    /// <summary>The descriptor's number.</summary>
    internal required int Number { get; init; }

    /// <summary>The kind of file.</summary>
    internal required DescriptorKind Kind { get; init; }

    /// <summary>
    /// The target according to the kernel: the current path, without " (deleted)" for an unlinked file, or a name
    /// such as socket:[1234].
    /// </summary>
    internal required string Target { get; init; }

    /// <summary>
    /// Whether the path was unlinked. The file may have other hard links: see <see cref="FileStatus.LinkCount"/>.
    /// </summary>
    internal required bool IsUnlinked { get; init; }

    /// <summary>The file's status.</summary>
    internal required FileStatus Status { get; init; }

    /// <summary>The flags of open(2), including O_CLOEXEC.</summary>
    internal required int Flags { get; init; }

    /// <summary>The file position, in bytes.</summary>
    internal required long Position { get; init; }

    /// <summary>The mount through which the file was opened, <see cref="MountPoint.Id"/>; -1 if unknown.</summary>
    internal required int MountId { get; init; }

    /// <summary>The locks that are held through the descriptor.</summary>
    internal IReadOnlyList<FileLock> Locks { get; init; } = [];

    /// <summary>The files that an epoll descriptor watches; empty for other kinds.</summary>
    internal IReadOnlyList<EventPollTarget> PollTargets { get; init; } = [];

    /// <summary>The files that an inotify or fanotify descriptor watches; empty for other kinds. What fanotify watches as mounts is not among them.</summary>
    internal IReadOnlyList<FileWatch> Watches { get; init; } = [];

    /// <summary>The pid of a <see cref="DescriptorKind.ProcessHandle"/>; -1 if the process has ended; null for other kinds.</summary>
    internal int? TargetProcessId { get; init; }

    /// <summary>The clock id of a <see cref="DescriptorKind.Timer"/>, as in clock_gettime(2); null for other kinds.</summary>
    internal int? ClockId { get; init; }

    /// <summary>The number of a pseudo-terminal, for its master (tty-index) and slave (the device's minor number); null for other kinds.</summary>
    internal int? TerminalIndex { get; init; }

    /// <summary>Whether it is open for reading.</summary>
    internal bool CanRead => (Flags & AccessModeMask) != WriteOnlyFlag;

    /// <summary>Whether it is open for writing.</summary>
    internal bool CanWrite => (Flags & AccessModeMask) != 0;

    /// <summary>Whether writes append to the file (O_APPEND).</summary>
    internal bool IsAppending => (Flags & AppendFlag) != 0;

    /// <summary>Whether it was opened with O_PATH.</summary>
    internal bool IsPathOnly => (Flags & PathOnlyFlag) != 0;

    /// <summary>Whether the target is a path.</summary>
    internal bool HasPath => Target.StartsWith('/') && Kind is not DescriptorKind.MemoryFile;
}
