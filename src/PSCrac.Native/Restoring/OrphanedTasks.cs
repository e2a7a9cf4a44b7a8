using Microsoft.Win32.SafeHandles;
using PSCrac.Criu;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>
/// The tasks that criu leaves behind when it is killed during a restore: they have the image's pids already and wait forever
/// for criu.
/// </summary>
internal static class OrphanedTasks
{
    private const int KillTimeoutMilliseconds = 5000;

    /// <summary>Kills them, waits until they have ended, and reaps those that are children of this process.</summary>
    /// <param name="image">The image that was being restored. Its pids were free when criu started.</param>
    /// <param name="worker">criu's worker, which has ended.</param>
    /// <returns>Those that have not ended in time.</returns>
    internal static IReadOnlyList<int> Kill(CracImage image, CriuWorker worker)
    {
        var left = new List<(ProcessIdentity Task, SafeFileHandle PidFd)>();
        foreach (CracImageProcess process in image.Processes)
        {
            SafeFileHandle pidFd = LibC.OpenPidFd(process.ProcessId, out Errno errno);
            if (errno == 0 && ProcessStatus.TryRead(process.ProcessId) is { } status && IsTaskOf(process, status, worker))
            {
                LibC.Signal(pidFd, LibC.SIGKILL);
                left.Add((status.Identity, pidFd));
            }
            else
            {
                pidFd.Dispose();
            }
        }

        var alive = new List<int>();
        foreach ((ProcessIdentity task, SafeFileHandle pidFd) in left)
        {
            using (pidFd)
            {
                if (!LibC.WaitReadable(pidFd, KillTimeoutMilliseconds))
                {
                    alive.Add(task.ProcessId);
                }

                if (ProcessStatus.TryRead(task.ProcessId) is { HasEnded: true } status && status.ParentProcessId == Environment.ProcessId)
                {
                    LibC.Reap(pidFd, out _, out _);
                }
            }
        }

        return alive;
    }

    /// <summary>What is told of them.</summary>
    internal static WorkerHarm Describe(IReadOnlyList<int> alive) => alive.Count == 0
        ? new WorkerHarm("The processes that it had already created were killed.", WorkerHarm.TryAgain)
        : new WorkerHarm(
            $"Of the processes that it had already created, {string.Join(", ", alive)} could not be killed yet.",
            $"Wait until they have ended (Wait-Process -Id {string.Join(',', alive)}), then try again.");

    // Started after the worker, and named like it or, once its memory is restored, like the image's process. Another program that
    // was given one of the pids in the meantime has neither name.
    private static bool IsTaskOf(CracImageProcess process, ProcessStatus status, CriuWorker worker) =>
        status.StartTimeTicks >= worker.Identity.StartTimeTicks
        && (status.CommandName == worker.CommandName || status.CommandName == process.Command);
}
