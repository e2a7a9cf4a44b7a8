using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Which processes can be stopped and dumped at all, and in which state they are (criu's seize.c and cr-dump.c).</summary>
internal sealed class EligibilityRule : PreflightRule
{
    private const string InitAction =
        "Checkpoint one of the processes that it has started, from a session outside that process's tree; or checkpoint a whole container with its engine, such as podman container checkpoint.";

    internal override void Examine(PreflightSubject subject)
    {
        ExamineRoot(subject, subject.Tree.Root);
        if (subject.Tree.Contains(subject.Environment.ProcessId))
        {
            subject.Block(
                subject.Environment.ProcessId,
                "this PowerShell is part of the tree",
                CracReason.ProcessNotEligible,
                "The checkpoint would stop this session together with the tree.",
                subject.Tree.Root.Status.ProcessId == 1 ? InitAction : "Checkpoint it from a session outside the tree: another terminal, or another login.");
        }

        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            ExamineState(subject, member);
        }
    }

    private static void ExamineRoot(PreflightSubject subject, ProcessSnapshot member)
    {
        ProcessStatus root = member.Status;
        if (root.IsKernelThread)
        {
            subject.Block(
                root.ProcessId,
                $"kernel thread [{root.CommandName}]",
                CracReason.ProcessNotEligible,
                "It is a part of the kernel and has no memory or files of its own.",
                "Choose a process that runs a program.");
        }
        else if (root.HasEnded && member.Member.ThreadIds.Count == 1)
        {
            subject.Block(
                root.ProcessId,
                "the process has ended (zombie)",
                CracReason.ProcessNotEligible,
                "Only its pid is left, until its parent waits for it (wait(2)).",
                "Choose a process that still runs.");
        }
        else if (root.ProcessId == 1)
        {
            subject.Block(
                1,
                "init, the first process",
                CracReason.ProcessNotEligible,
                "Everything else depends on it; stopping it stops the machine or the container.",
                InitAction);
        }
    }

    private static void ExamineState(PreflightSubject subject, ProcessSnapshot member)
    {
        ProcessStatus status = member.Status;
        if (status.HasEnded && member.Member.ThreadIds.Count > 1)
        {
            subject.Block(
                status.ProcessId,
                "the main thread has ended, other threads still run",
                CracReason.ResourceUnsupported,
                "CRIU cannot restore a process whose main thread has ended.",
                "The program would have to keep its main thread, for example by joining the other threads from it.",
                new("processes whose main thread has ended"));
        }
        else if (!member.IsReadable && !status.HasEnded && !status.IsKernelThread && (subject.Environment.IsPrivileged || status.UserId == subject.Environment.UserId))
        {
            subject.Block(
                status.ProcessId,
                $"{member.CommandLine.Display} of user {status.UserId}",
                CracReason.PermissionDenied,
                "This user may not inspect it.",
                "Run as root, or as the user the process runs as.",
                new($"processes of user {status.UserId}") { Why = "This user may not inspect them." });
        }
        else if (status.State == ProcessState.DiskSleep)
        {
            subject.Warn(
                status.ProcessId,
                "uninterruptible sleep (state D)",
                CracReason.FreezeTimeout,
                "It waits for a device or a file server and cannot be stopped until that answers.",
                "Try again; -FreezeTimeout sets how long a checkpoint waits.",
                new("processes in uninterruptible sleep (state D)")
                {
                    Why = "They wait for a device or a file server and cannot be stopped until that answers.",
                });
        }
        else if (status.State == ProcessState.Stopped)
        {
            subject.Note(
                status.ProcessId,
                "stopped by a signal",
                CracReason.Unknown,
                "It will be stopped after the restore, too, until it gets SIGCONT.",
                cause: new("processes stopped by a signal") { Why = "They will be stopped after the restore, too, until they get SIGCONT." });
        }
    }
}
