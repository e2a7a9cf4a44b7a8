using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Seccomp: criu suspends the filters while it works and restores them (criu's seccomp.c), for which it must be root.</summary>
internal sealed class SeccompRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            ProcessStatus status = member.Status;
            if (status.SeccompMode == 0)
            {
                continue;
            }

            string place = status.SeccompMode == 1 ? "strict mode" : $"{status.SeccompFilterCount} filters";
            string what = $"seccomp, {place}";
            if (subject.Environment.IsPrivileged)
            {
                subject.Note(
                    status.ProcessId,
                    what,
                    CracReason.PermissionDenied,
                    "The filters are suspended while CRIU works, and are in place again after the restore.",
                    cause: new("processes with seccomp", Place: place));
            }
            else
            {
                subject.Block(
                    status.ProcessId,
                    what,
                    CracReason.PermissionDenied,
                    "Only root may suspend the filters, and they would catch CRIU's own system calls.",
                    "Run this session as root: sudo pwsh",
                    new("processes with seccomp", Place: place));
            }
        }
    }
}
