using PSCrac.Interop;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Whether the open files can be reopened by their paths: through a mount that the tree sees and that is not covered, and leading
/// to the same file (criu's files-reg.c and mount.c).
/// </summary>
internal sealed class FileReachRule : PreflightRule
{
    // linux/magic.h
    private const long MessageQueues = 0x19800202;
    private const long SecretMemory = 0x5345434d;

    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            if (!member.IsReadable || member.Mounts is null)
            {
                continue;
            }

            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor.HasPath && descriptor.MountId >= 0)
                {
                    Examine(subject, member, descriptor);
                }
            }

            ExamineMapped(subject, member);
        }
    }

    private static void Examine(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor)
    {
        string what = $"descriptor {descriptor.Number}: {descriptor.Target}";
        string place = $"descriptor {descriptor.Number}";
        bool isTerminal = descriptor.Kind is DescriptorKind.Terminal or DescriptorKind.TerminalMaster;
        if (subject.FindMount(descriptor.MountId) is not { } found)
        {
            // With shell-job, which a terminal from outside always needs, criu does not search for its mount.
            if (!isTerminal && !ReportKernelFile(subject, member, descriptor))
            {
                ReportUnreachable(subject, member, what, "Start the program with this descriptor closed or redirected to a file inside its own file system.", descriptor);
            }

            return;
        }

        if (found.Table.IsCovered(found.Mount))
        {
            if (!isTerminal || subject.Options.ShellJob != true)
            {
                subject.Block(
                    member.ProcessId,
                    what,
                    CracReason.NamespaceUnsupported,
                    $"Another file system was mounted over {found.Mount.Point} after it was opened, and its path now leads elsewhere.",
                    $"Unmount what covers {found.Mount.Point}, or restart the program.",
                    new($"files below {found.Mount.Point}", descriptor.Target, place)
                    {
                        Why = "Another file system was mounted over it after they were opened, and their paths now lead elsewhere.",
                    });
            }

            return;
        }

        if (descriptor.IsUnlinked || isTerminal || found.Mount.FileSystem is "proc" or "devpts")
        {
            return;
        }

        if (FileStatus.TryRead(subject.Tree.RootOf(member) + descriptor.Target, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus there, out _)
            && !there.IsSameFile(descriptor.Status))
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.FileChanged,
                "The path now leads to another file, so the restore would open the wrong one.",
                "Move the other file away, or let the program reopen its file.",
                new("files whose paths now lead to other files", descriptor.Target, place)
                {
                    Why = "The restore would open the wrong ones.",
                    Action = static _ => "Move the other files away, or let the program reopen its files.",
                });
        }
    }

    /// <summary>
    /// The program and its mapped files. In the caller's mount namespace only the program is examined; in others each mapped file,
    /// since a process that entered the namespace keeps its earlier mappings.
    /// </summary>
    private static void ExamineMapped(PreflightSubject subject, ProcessSnapshot member)
    {
        if (member.ExecutableStatus is { MountId: > 0 } program && subject.FindMount(program.MountId) is null)
        {
            ReportUnreachable(subject, member, $"program {member.CommandLine.ExecutablePath}", "Start the program inside its mount namespace: unshare -m PROGRAM", descriptor: null);
            return;
        }

        if (subject.Tree.RootOf(member).Length == 0)
        {
            return;
        }

        foreach (MemoryArea area in member.Areas)
        {
            if (area.Kind == MemoryAreaKind.File
                && FileStatus.TryRead($"/proc/{member.ProcessId}/map_files/{area.Start:x}-{area.End:x}", flags: 0, out FileStatus status, out _)
                && status.MountId > 0 && subject.FindMount(status.MountId) is null)
            {
                ReportUnreachable(subject, member, $"memory at {area.Start:x}: {area.Path}", "Start the program inside its mount namespace: unshare -m PROGRAM", descriptor: null);
                return;
            }
        }
    }

    /// <summary>Files of kernel-internal file systems have no mount that the tree sees; criu supports neither of these.</summary>
    private static bool ReportKernelFile(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor)
    {
        (string What, string Things, string Why)? kind = LibC.FileSystemOf($"/proc/{member.ProcessId}/fd/{descriptor.Number}") switch
        {
            MessageQueues => ($"POSIX message queue {descriptor.Target}", "POSIX message queues", "CRIU cannot save POSIX message queues."),
            SecretMemory => ("secret memory (memfd_secret)", "descriptors of secret memory (memfd_secret)", "Only the process itself can read it, so CRIU cannot save it."),
            _ => null,
        };
        if (kind is var (what, things, why))
        {
            subject.Block(
                member.ProcessId,
                $"descriptor {descriptor.Number}: {what}",
                CracReason.ResourceUnsupported,
                why,
                "The program would have to close it before the checkpoint and open it after the restore.",
                DescriptorCause.Of(things, descriptor) with
                {
                    Action = static _ => "The program would have to close them before the checkpoint and open them after the restore.",
                });
        }

        return kind is not null;
    }

    private static void ReportUnreachable(PreflightSubject subject, ProcessSnapshot member, string what, string recommendedAction, ProcessDescriptor? descriptor) => subject.Block(
        member.ProcessId,
        what,
        CracReason.NamespaceUnsupported,
        "It was opened through a mount that no process of the tree sees: before the process entered its namespace, or before a lazy unmount.",
        recommendedAction,
        new(descriptor is null ? "programs and libraries from a mount that no process of the tree sees" : "files from a mount that no process of the tree sees",
            descriptor?.Target ?? member.CommandLine.ExecutablePath, descriptor is null ? null : $"descriptor {descriptor.Number}")
        {
            Why = "They were opened through a mount that no process of the tree sees: before the process entered its namespace, or before a lazy unmount.",
            Action = descriptor is null ? null : static _ => "Start the program with these descriptors closed or redirected to files inside its own file system.",
        });
}
