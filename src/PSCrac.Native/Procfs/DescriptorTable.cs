using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>Reads the open descriptors of a process. Needs to be its owner or root: ptrace(2) access, though nothing is traced.</summary>
internal static class DescriptorTable
{
    private const string UnlinkedMark = " (deleted)";

    /// <summary>Reads all descriptors of a process, in ascending order.</summary>
    /// <exception cref="CracException">
    /// No process has this pid (<see cref="CracReason.ProcessNotFound"/>), or it may not be looked into (<see cref="CracReason.PermissionDenied"/>).
    /// </exception>
    internal static IReadOnlyList<ProcessDescriptor> Read(int processId)
    {
        using ProcessDirectory directory = ProcessDirectory.TryOpen(processId) ?? throw ProcessTree.NotFound(processId);
        return TryRead(directory) ?? throw new CracException(
            CracReason.PermissionDenied,
            $"The descriptors of process {processId} may not be read.",
            "Run as root, or as the user the process runs as.")
        {
            ProcessId = processId,
        };
    }

    /// <summary>Reads the descriptors of an opened process; null when it is gone or may not be looked into. A zombie has none.</summary>
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
            // One that was closed meanwhile is left out.
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
        if (target is null || !directory.TryStat(name, out FileStatus status))
        {
            return null;
        }

        bool unlinked = target.StartsWith('/') && target.EndsWith(UnlinkedMark, StringComparison.Ordinal)
            && !IsNamedSo(directory.ProcessId, target, status);
        if (unlinked)
        {
            target = target[..^UnlinkedMark.Length];
        }

        var descriptor = new ProcessDescriptor
        {
            Number = number,
            Kind = KindOf(target, unlinked, status),
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

    /// <summary>Whether the file's own name ends like the kernel's mark for unlinked files.</summary>
    private static bool IsNamedSo(int processId, string path, in FileStatus status) =>
        status.LinkCount > 0
        && (IsAt(path, status) || IsAt($"/proc/{processId}/root{path}", status));

    private static bool IsAt(string path, in FileStatus status) =>
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
        FileType.Regular when unlinked && target.StartsWith("/memfd:", StringComparison.Ordinal) => DescriptorKind.MemoryFile,
        FileType.Regular when target.StartsWith('/') => DescriptorKind.RegularFile,
        FileType.Regular when target.Contains(":[", StringComparison.Ordinal) => DescriptorKind.Namespace,
        _ => DescriptorKind.Other,
    };

    /// <summary>Which character devices are terminals: Documentation/admin-guide/devices.txt of the kernel, as criu's tty.c takes them.</summary>
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
