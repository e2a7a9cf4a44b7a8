using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes;

/// <summary>
/// Waits for process ids to become free. A zombie keeps its pid until its parent reaps it, and the id of a process
/// group stays in use after its first process has ended until its last process is reaped (__change_pid() in kernel/pid.c).
/// </summary>
internal static class PidWaiter
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan MaximumPause = TimeSpan.FromMilliseconds(50);

    // Stop-Process returns after it has sent the signal; the process needs some time to end.
    private static readonly TimeSpan ExitTime = TimeSpan.FromMilliseconds(150);

    /// <summary>Waits until all pids are free.</summary>
    /// <param name="processIds">The pids.</param>
    /// <param name="timeout">The maximum wait time.</param>
    /// <param name="isEnding">
    /// Returns whether the process of a pid is ending. If one is not, the wait ends after
    /// the time that a killed process needs to end.
    /// </param>
    /// <param name="cancellation">Cancels the wait.</param>
    /// <returns>The pids that are still in use.</returns>
    internal static List<int> Wait(
        IReadOnlyList<int> processIds, TimeSpan timeout, Func<int, bool> isEnding, CancellationToken cancellation)
    {
        long start = Environment.TickCount64;
        long end = start + (long)timeout.TotalMilliseconds;
        TimeSpan pause = FirstPause;
        var taken = new List<int>(processIds);
        while (true)
        {
            taken.RemoveAll(static id => LibC.Kill(id, 0) == Errno.ESRCH && !ProcessGroup.Exists(id));
            long now = Environment.TickCount64;
            if (taken.Count == 0 || now >= end || (now >= start + ExitTime.TotalMilliseconds && !taken.TrueForAll(id => isEnding(id))))
            {
                return taken;
            }

            if (cancellation.WaitHandle.WaitOne(pause))
            {
                cancellation.ThrowIfCancellationRequested();
            }

            pause = pause * 2 > MaximumPause ? MaximumPause : pause * 2;
        }
    }

    /// <summary>Whether a pid belongs to a zombie or, if it is only the id of a process group, to a group of zombies.</summary>
    internal static bool IsZombie(int processId) =>
        ProcessStatus.TryRead(processId) is { } status ? status.HasEnded : !ProcessGroup.Exists(processId) || ProcessGroup.FindMember(processId) is not { HasEnded: false };
}
