using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// Seccomp: criu suspends the filters while it works and restores them (criu's seccomp.c). The kernel allows that to a process with
/// CAP_SYS_ADMIN that has no filter itself (PTRACE_O_SUSPEND_SECCOMP in ptrace(2)).
/// </summary>
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
            if (subject.Environment is { IsPrivileged: true, HasSeccompFilter: true })
            {
                subject.Block(
                    status.ProcessId,
                    what,
                    CracReason.PermissionDenied,
                    "This session has a seccomp filter itself, as in a container with a profile, and so criu may not suspend those of the process.",
                    "Run the container with --security-opt seccomp=unconfined (Kubernetes: seccompProfile type Unconfined); in a systemd unit leave out what needs a filter, such as SystemCallFilter.",
                    new("processes with seccomp", Place: place));
            }
            else if (subject.Environment.IsPrivileged)
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
