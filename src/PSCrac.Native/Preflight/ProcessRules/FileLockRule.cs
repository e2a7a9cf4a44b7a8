using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>File locks and leases: criu restores them only if it is told to (criu's file-lock.c).</summary>
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

        subject.Offer(
            member.ProcessId,
            what,
            CracReason.FileLocksHeld,
            "The process holds a lock, and the restore has to take it again. It fails if another process has taken it meanwhile.",
            "Give -FileLocks, or let the program release the lock first.",
            new OptionOffer(OptionTable.FileLocks),
            new("locks", item, place)
            {
                Why = "The restore has to take the locks again. It fails if another process has taken one meanwhile.",
                Action = static _ => "Give -FileLocks, or let the program release the locks first.",
            });
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
