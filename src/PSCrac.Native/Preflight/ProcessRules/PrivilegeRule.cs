using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>The privileges that criu needs (capabilities(7); criu's crtools.c and parasite-syscall.c).</summary>
internal sealed class PrivilegeRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        PreflightEnvironment environment = subject.Environment;
        if (!environment.CanCheckpointOwn)
        {
            subject.Warn(
                null,
                $"user {environment.UserId} without CAP_CHECKPOINT_RESTORE",
                CracReason.PermissionDenied,
                "CRIU needs this capability, or root, to stop and dump a process. The criu program may have the capability itself.",
                "Run this session as root (sudo pwsh), or give criu itself the capability: sudo setcap cap_checkpoint_restore+eip (Get-Command criu).Source");
        }

        if (environment.UserId > 0)
        {
            // Without this option criu starts only as root (check_caps() in its util.c).
            subject.Offer(
                null,
                $"user {environment.UserId}, not root",
                CracReason.PermissionDenied,
                "Without root, CRIU works only with its option unprivileged, and supports less: no namespaces, no processes of other users.",
                "Give -CriuOption @{ unprivileged = $true }, or run this session as root: sudo pwsh",
                new OptionOffer(OptionTable.Unprivileged));
        }

        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            ProcessStatus status = member.Status;
            if (status.UserId < 0 || status.UserId == environment.UserId || status.HasEnded)
            {
                continue;
            }

            if (!environment.IsPrivileged)
            {
                subject.Block(
                    status.ProcessId,
                    $"a process of user {status.UserId}",
                    CracReason.PermissionDenied,
                    "Only root may checkpoint the processes of another user.",
                    "Run this session as root: sudo pwsh",
                    new("processes of other users", Place: $"user {status.UserId}"));
            }
            else if (!environment.CanReadOthersLimits)
            {
                subject.Block(
                    status.ProcessId,
                    $"a process of user {status.UserId}, and CAP_SYS_RESOURCE is missing",
                    CracReason.PermissionDenied,
                    "CRIU reads the resource limits of each process, and may read those of another user's process only with this capability.",
                    "Run where CAP_SYS_RESOURCE is granted (containers often drop it), or run the program as this user.",
                    new("processes of other users, and CAP_SYS_RESOURCE is missing", Place: $"user {status.UserId}")
                    {
                        Action = static _ => "Run where CAP_SYS_RESOURCE is granted (containers often drop it), or run the programs as this user.",
                    });
            }
        }
    }
}
