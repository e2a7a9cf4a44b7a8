using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>Reads the open descriptors of a process. Requires ptrace(2) access (its owner or root), although nothing is traced.</summary>
internal static class DescriptorTable
{
    private const string UnlinkedMark = " (deleted)";

    /// <summary>Reads all descriptors of a process, in ascending order.</summary>
    /// <exception cref="CracException">
    /// No process has this pid (<see cref="CracReason.ProcessNotFound"/>), or it cannot be read (<see cref="CracReason.PermissionDenied"/>).
    /// </exception>
    internal static IReadOnlyList<ProcessDescriptor> Read(int processId)
    {
        using ProcessDirectory directory = ProcessDirectory.TryOpen(processId) ?? throw ProcessTree.NotFound(processId);
        return TryRead(directory) ?? throw new CracException(
            CracReason.PermissionDenied,
            $"No permission to read the descriptors of process {processId}.",
            "Run as root or as the user of the process.")
        {
            ProcessId = processId,
        };
    }

    /// <summary>Reads the descriptors of an opened process; null if it has ended or cannot be read. A zombie has no descriptors.</summary>
    internal static List<ProcessDescriptor>? TryRead(ProcessDirectory directory)
    {
        List<int>? numbers = directory.ReadNumbers("fd");
        if (numbers is null)
        {
            return null;
        }

        var descriptors = new List<ProcessDescriptor>(numbers.Count);
        foreach (int number in numbers)
        {
            // A descriptor that was closed meanwhile is left out.
            if (TryRead(directory, number) is { } descriptor)
            {
                descriptors.Add(descriptor);
            }
        }

        return descriptors;
    }

    private static ProcessDescriptor? TryRead(ProcessDirectory directory, int number)
    {
        string name = $"fd/{number}";
        string? target = directory.ReadLink(name);
        bool hasStatus = directory.TryStat(name, out FileStatus status);

        // Some folders in /proc of a process that has ended have no status any more, although they are open.
        if (target is null || (!hasStatus && !(target.StartsWith("/proc/", StringComparison.Ordinal) && directory.ReadLink(name) == target)))
        {
            return null;
        }

        bool unlinked = target.StartsWith('/') && target.EndsWith(UnlinkedMark, StringComparison.Ordinal)
            && !IsActualName(directory.ProcessId, target, status);
        if (unlinked)
        {
            target = target[..^UnlinkedMark.Length];
        }

        var descriptor = new ProcessDescriptor
        {
            Number = number,
            Kind = hasStatus ? KindOf(target, unlinked, status) : DescriptorKind.Directory,
            Target = target,
            IsUnlinked = unlinked,
            Status = status,
            Flags = 0,
            Position = 0,
            MountId = -1,
        };
        if (!directory.TryRead($"fdinfo/{number}", out ProcText text, expectedLength: 1024))
        {
            return descriptor;
        }

        using (text)
        {
            return DescriptorInfo.Add(descriptor, text.Bytes);
        }
    }

    /// <summary>Whether the file's own name ends with the text that the kernel appends for unlinked files.</summary>
    private static bool IsActualName(int processId, string path, in FileStatus status) =>
        status.LinkCount > 0
        && (IsSameFileAt(path, status) || IsSameFileAt($"/proc/{processId}/root{path}", status));

    private static bool IsSameFileAt(string path, in FileStatus status) =>
        FileStatus.TryRead(path, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus named, out _) && named.IsSameFile(status);

    private static DescriptorKind KindOf(string target, bool unlinked, in FileStatus status) => status.Type switch
    {
        FileType.Socket => DescriptorKind.Socket,
        FileType.Fifo => target.StartsWith('/') ? DescriptorKind.Fifo : DescriptorKind.Pipe,
        FileType.CharacterDevice => KindOfDevice(status.SpecialDevice),
        FileType.BlockDevice => DescriptorKind.BlockDevice,
        _ when target.StartsWith("anon_inode:", StringComparison.Ordinal) => KindOfAnonymous(target.AsSpan("anon_inode:".Length)),
        _ when target.StartsWith("pidfd:", StringComparison.Ordinal) => DescriptorKind.ProcessHandle,
        FileType.Directory => DescriptorKind.Directory,
        FileType.SymbolicLink => DescriptorKind.SymbolicLink,
        FileType.Regular when unlinked && (target.StartsWith("/memfd:", StringComparison.Ordinal) || target == "/dev/zero") => DescriptorKind.MemoryFile,
        FileType.Regular when target.StartsWith('/') => DescriptorKind.RegularFile,
        FileType.Regular when target.Contains(":[", StringComparison.Ordinal) => DescriptorKind.Namespace,
        _ => DescriptorKind.Other,
    };

    /// <summary>Determines which character devices are terminals, as criu's tty.c does: Documentation/admin-guide/devices.txt of the kernel.</summary>
    private static DescriptorKind KindOfDevice(DeviceNumber device) => device switch
    {
        { Major: 5, Minor: 2 } => DescriptorKind.TerminalMaster,
        { Major: 4 } or { Major: 5, Minor: 0 or 1 } => DescriptorKind.Terminal,
        { Major: >= 128 and <= 135 } => DescriptorKind.TerminalMaster,
        { Major: >= 136 and <= 143 } => DescriptorKind.Terminal,
        { Major: 188 or 166 or 204 or 229 } => DescriptorKind.Terminal,
        _ => DescriptorKind.CharacterDevice,
    };

    private static DescriptorKind KindOfAnonymous(ReadOnlySpan<char> name)
    {
        name = name.Trim('[').TrimEnd(']');
        return name switch
        {
            "eventfd" => DescriptorKind.Event,
            "eventpoll" => DescriptorKind.EventPoll,
            "signalfd" => DescriptorKind.Signal,
            "timerfd" => DescriptorKind.Timer,
            "inotify" => DescriptorKind.Inotify,
            "fanotify" => DescriptorKind.Fanotify,
            "pidfd" => DescriptorKind.ProcessHandle,
            "io_uring" => DescriptorKind.IoUring,
            "bpf-map" => DescriptorKind.BpfMap,
            "perf_event" => DescriptorKind.PerfEvent,
            "userfaultfd" => DescriptorKind.UserFault,
            _ when name.StartsWith("bpf") => DescriptorKind.BpfObject,
            _ when name.StartsWith("kvm") => DescriptorKind.VirtualMachine,
            _ when name is "dmabuf" or "sync_file" or "drm_syncobj" => DescriptorKind.DeviceBuffer,
            _ => DescriptorKind.Anonymous,
        };
    }
}
