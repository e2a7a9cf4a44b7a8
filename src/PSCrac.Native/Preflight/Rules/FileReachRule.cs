using PSCrac.Procfs;

namespace PSCrac.Preflight.Rules;

/// <summary>
/// Whether the files that are open can be found again by their paths: through a mount that the tree sees, that nothing lies on,
/// and leading to the same file (criu's files-reg.c and mount.c).
/// </summary>
internal sealed class FileReachRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            if (!member.IsReadable || member.Mounts is not { } mounts)
            {
                continue;
            }

            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor.HasPath && descriptor.MountId >= 0)
                {
                    Examine(subject, member, mounts, descriptor);
                }
            }
        }
    }

    private static void Examine(PreflightSubject subject, ProcessSnapshot member, MountTable mounts, ProcessDescriptor descriptor)
    {
        string what = $"descriptor {descriptor.Number}: {descriptor.Target}";
        bool isTerminal = descriptor.Kind is DescriptorKind.Terminal or DescriptorKind.TerminalMaster;
        if (mounts.Find(descriptor.MountId) is not { } mount)
        {
            // With shell-job, which a terminal from outside always needs, criu does not look for its mount.
            if (!isTerminal)
            {
                subject.Block(
                    member.ProcessId,
                    what,
                    CracReason.NamespaceUnsupported,
                    "It was opened through a mount that the process does not see: before it entered its namespace, or one that was unmounted lazily.",
                    "Start the program with this descriptor closed or redirected to a file inside its own file system.");
            }

            return;
        }

        if (mounts.IsCovered(mount))
        {
            if (!isTerminal || subject.Options.ShellJob != true)
            {
                subject.Block(
                    member.ProcessId,
                    what,
                    CracReason.NamespaceUnsupported,
                    $"Another file system was mounted over {mount.Point} after it was opened, and its path leads elsewhere now.",
                    $"Unmount what lies on {mount.Point}, or start the program again.");
            }

            return;
        }

        if (descriptor.IsUnlinked || isTerminal || mount.FileSystem is "proc" or "devpts")
        {
            return;
        }

        if (ProcfsNative.TryStat(subject.Tree.RootOf(member) + descriptor.Target, ProcfsNative.AT_SYMLINK_NOFOLLOW, out FileStatus there, out _)
            && !there.IsSameFile(descriptor.Status))
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.FileChanged,
                "The path leads to another file now, so the restore would open the wrong one.",
                "Move the other file away, or let the program open its file again.");
        }
    }
}
