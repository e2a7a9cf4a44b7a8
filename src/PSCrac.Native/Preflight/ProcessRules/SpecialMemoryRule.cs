using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Memory that the restore must be able to allocate: locked pages, huge pages.</summary>
internal sealed class SpecialMemoryRule : PreflightRule
{
    // The usual size. The kernel has a pool for each size; vm.nr_hugepages sets that of the default size.
    private const long HugePage = 2L << 20;

    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            ProcessStatus status = member.Status;
            if (status.LockedBytes > 0)
            {
                subject.Note(
                    status.ProcessId,
                    $"{status.LockedBytes >> 10} KB of locked memory",
                    CracReason.ResourceUnsupported,
                    "The restore locks it again, which needs a sufficient limit (RLIMIT_MEMLOCK) or CAP_IPC_LOCK.",
                    cause: new("processes with locked memory", Place: $"{status.LockedBytes >> 10} KB"));
            }

            if (status.HugeBytes > 0)
            {
                subject.Warn(
                    status.ProcessId,
                    $"{status.HugeBytes >> 20} MB on huge pages",
                    CracReason.ResourceUnsupported,
                    "The restore needs as many free huge pages.",
                    $"Reserve them before the restore, as root; for pages of 2 MB: sysctl vm.nr_hugepages={(status.HugeBytes + HugePage - 1) / HugePage}",
                    new("processes with memory on huge pages", Place: $"{status.HugeBytes >> 20} MB"));
            }
        }
    }
}
