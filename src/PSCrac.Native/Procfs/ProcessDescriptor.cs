namespace PSCrac.Procfs;

/// <summary>A file that an epoll descriptor watches: a "tfd:" line of its fdinfo.</summary>
/// <param name="Descriptor">The number the file had in the process that added it. That process may have closed or reused it since.</param>
/// <param name="Inode">The file's inode.</param>
internal readonly record struct EventPollTarget(int Descriptor, ulong Inode);

/// <summary>A file or directory that an inotify descriptor watches: an "inotify" line of its fdinfo.</summary>
/// <param name="Inode">The inode.</param>
/// <param name="Device">The device of its filesystem.</param>
/// <param name="HasHandle">Whether the filesystem gave the kernel a handle by which the file can be opened again.</param>
internal readonly record struct InotifyWatch(ulong Inode, DeviceNumber Device, bool HasHandle);

/// <summary>One open descriptor: /proc/PID/fd/N with /proc/PID/fdinfo/N (proc(5)).</summary>
internal sealed record ProcessDescriptor
{
    internal const int AccessModeMask = 3;
    internal const int WriteOnlyFlag = 1;
    internal const int AppendFlag = 0x400;

    // These two differ between architectures; arm64 exchanges what x86 uses for O_DIRECT and O_DIRECTORY.
    internal static readonly int DirectFlag =
        System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture is System.Runtime.InteropServices.Architecture.Arm64 ? 0x10000 : 0x4000;

    internal const int PathOnlyFlag = 0x200000;

    /// <summary>The descriptor's number.</summary>
    internal required int Number { get; init; }

    /// <summary>What it is open on.</summary>
    internal required DescriptorKind Kind { get; init; }

    /// <summary>
    /// What the kernel says it is open on: a path as it is now, without the kernel's mark for unlinked ones, or something
    /// like socket:[1234].
    /// </summary>
    internal required string Target { get; init; }

    /// <summary>
    /// Whether the path it was opened by is gone. The file itself may have other names: see <see cref="FileStatus.LinkCount"/>.
    /// </summary>
    internal required bool IsUnlinked { get; init; }

    /// <summary>The file's status.</summary>
    internal required FileStatus Status { get; init; }

    /// <summary>The flags of open(2), O_CLOEXEC included.</summary>
    internal required int Flags { get; init; }

    /// <summary>The position in the file, bytes.</summary>
    internal required long Position { get; init; }

    /// <summary>The mount the file was opened through; see <see cref="MountPoint.Id"/>. -1 where the kernel does not tell.</summary>
    internal required int MountId { get; init; }

    /// <summary>The locks held through it.</summary>
    internal IReadOnlyList<FileLock> Locks { get; init; } = [];

    /// <summary>What an epoll descriptor watches; empty for others.</summary>
    internal IReadOnlyList<EventPollTarget> PollTargets { get; init; } = [];

    /// <summary>What an inotify descriptor watches; empty for others.</summary>
    internal IReadOnlyList<InotifyWatch> Watches { get; init; } = [];

    /// <summary>The pid a <see cref="DescriptorKind.ProcessHandle"/> stands for: -1 when that process has ended; null for others.</summary>
    internal int? TargetProcessId { get; init; }

    /// <summary>The clock of a <see cref="DescriptorKind.Timer"/>, as clock_gettime(2) numbers them; null for others.</summary>
    internal int? ClockId { get; init; }

    /// <summary>The number of a pseudo-terminal, for its master (tty-index) and its slave (the device's minor number); null for others.</summary>
    internal int? TerminalIndex { get; init; }

    /// <summary>Whether it may be read through.</summary>
    internal bool CanRead => (Flags & AccessModeMask) != WriteOnlyFlag;

    /// <summary>Whether it may be written through.</summary>
    internal bool CanWrite => (Flags & AccessModeMask) != 0;

    /// <summary>Whether all it writes goes to the file's end (O_APPEND).</summary>
    internal bool IsAppending => (Flags & AppendFlag) != 0;

    /// <summary>Whether it was opened with O_PATH, and only names a file.</summary>
    internal bool IsPathOnly => (Flags & PathOnlyFlag) != 0;

    /// <summary>Whether the target is a path.</summary>
    internal bool HasPath => Target.StartsWith('/') && Kind is not DescriptorKind.MemoryFile;
}
