using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>The privileges that criu needs to create processes with given pids and users.</summary>
internal sealed class RestorePrivilegeRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        PreflightEnvironment environment = subject.Environment;
        if (environment.IsPrivileged)
        {
            return;
        }

        if (!environment.CanCheckpointOwn)
        {
            subject.Warn(
                null,
                $"user {environment.UserId} without CAP_CHECKPOINT_RESTORE",
                CracReason.PermissionDenied,
                "CRIU needs this capability, or root, to give processes their old pids. The criu program may have the capability itself.",
                "Run this session as root (sudo pwsh), or give criu itself the capability: sudo setcap cap_checkpoint_restore+eip (Get-Command criu).Source");
        }

        if (subject.Options.NewPidNamespace && !subject.HoldsNamespace("pid"))
        {
            subject.Block(
                null,
                $"user {environment.UserId} without CAP_SYS_ADMIN",
                CracReason.PermissionDenied,
                "Only root may create the new pid namespace.",
                "Run this session as root (sudo pwsh), or restore into this session's pid namespace: -PidNamespace Host");
            return;
        }

        foreach (CracImageProcess process in subject.Image.Processes)
        {
            if (process.Credentials is { } credentials && credentials.UserId != environment.UserId)
            {
                subject.Block(
                    process.ProcessId,
                    $"a process of user {credentials.UserId}",
                    CracReason.PermissionDenied,
                    "Only root may start processes of another user.",
                    "Run this session as root: sudo pwsh",
                    new("processes of other users", Place: $"user {credentials.UserId}"));
            }
        }
    }
}
