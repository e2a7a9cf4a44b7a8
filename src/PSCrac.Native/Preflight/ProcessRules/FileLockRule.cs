using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Processes.Tracing;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// File locks and leases: criu restores them only if it is told to (criu's file-lock.c). Record locks on a file that the process also
/// maps are lost even so: criu takes them before it maps the file, and then closes the descriptor of the mapping (open_filemap() in its
/// filemap.c). The kernel drops all record locks of a process on a file when the process closes any descriptor of it (fcntl(2)). A
/// restore takes them again where it can (RestoredLocks); elsewhere they need consent.
/// </summary>
internal sealed class FileLockRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            var seen = new HashSet<(ulong, FileLockKind)>();
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                foreach (FileLock held in descriptor.Locks)
                {
                    // A record lock is listed at each descriptor that the process has for the file.
                    if (seen.Add((descriptor.Status.Inode, held.Kind)))
                    {
                        Report(subject, member, descriptor, held);
                    }
                }
            }
        }
    }

    private static void Report(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, FileLock held)
    {
        string what = $"descriptor {descriptor.Number}: {NameOf(held)} on {descriptor.Target}";
        string item = $"{NameOf(held)} on {descriptor.Target}", place = $"descriptor {descriptor.Number}";
        if (held.Kind == FileLockKind.Other)
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.FileLocksHeld,
                "CRIU does not support this kind of lock.",
                "The program would have to release the lock before the checkpoint.",
                new("locks of an unknown kind", item, place)
                {
                    Why = "CRIU does not support this kind of lock.",
                    Action = static _ => "The program would have to release the locks before the checkpoint.",
                });
            return;
        }

        string taken = "the restore has to take it again";
        if (held.Kind == FileLockKind.Posix && IsMapped(member, descriptor))
        {
            what += ", which the process also maps";
            taken = "the restore has to take it again, which criu alone does not";
            if (!CanTakeAgain(subject, member))
            {
                ReportMapped(subject, member, what, item, place);
            }
        }

        subject.Offer(
            member.ProcessId,
            what,
            CracReason.FileLocksHeld,
            $"The process holds a lock, and {taken}. It fails if another process has taken it meanwhile.",
            "Give -FileLocks, or let the program release the lock first.",
            new OptionOffer(OptionTable.FileLocks),
            new("locks", item, place)
            {
                Why = "The restore has to take the locks again. It fails if another process has taken one meanwhile.",
                Action = static _ => "Give -FileLocks, or let the program release the locks first.",
            });
    }

    // The process that will restore is taken for one with the privileges of this one.
    private static bool CanTakeAgain(PreflightSubject subject, ProcessSnapshot member) =>
        subject.Environment.IsPrivileged && !member.Is32Bit && SystemCallConvention.Here is not null;

    private static bool IsMapped(ProcessSnapshot member, ProcessDescriptor descriptor)
    {
        foreach (MemoryArea area in member.Areas)
        {
            // Some file systems show another device or inode in maps than stat(2) does: overlayfs, btrfs.
            if (area.Kind == MemoryAreaKind.File
                && ((area.Inode == descriptor.Status.Inode && area.Device == descriptor.Status.Device) || area.Path == descriptor.Target))
            {
                return true;
            }
        }

        return false;
    }

    private static void ReportMapped(PreflightSubject subject, ProcessSnapshot member, string what, string item, string place)
    {
        const string Why = "CRIU loses record locks on a mapped file: after the restore another process can take the lock while this one believes that it has it.";
        var cause = new FindingCause("record locks on files that the process also maps", item, place)
        {
            Why = "CRIU loses record locks on mapped files: after the restore other processes can take the locks while these believe that they have them.",
        };
        if (subject.Options.Has(OptionTable.FileLocks.Name))
        {
            subject.Warn(member.ProcessId, what, CracReason.FileLocksHeld, Why, "Let the program release the lock before the checkpoint, or restore only where no other process uses the file.", cause);
        }
        else
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.FileLocksHeld,
                Why,
                "Let the program release the lock first (close the database), or give -FileLocks if no other process uses the file.",
                cause);
        }
    }

    private static string NameOf(FileLock held)
    {
        string access = held.IsExclusive ? "exclusive" : "shared";
        return held.Kind switch
        {
            FileLockKind.Posix => $"{access} record lock",
            FileLockKind.Flock => $"{access} lock (flock)",
            FileLockKind.OpenFile => $"{access} open-file lock",
            FileLockKind.Lease => held.IsBreaking ? "lease that is being broken" : $"{(held.IsExclusive ? "write" : "read")} lease",
            _ => "lock of an unknown kind",
        };
    }
}
