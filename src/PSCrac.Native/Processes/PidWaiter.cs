using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes;

/// <summary>
/// Waiting for process ids to become free. A zombie keeps its pid until its parent has reaped it, and the number of a process
/// group stays taken after its first process until the last one has been reaped (__change_pid() in kernel/pid.c).
/// </summary>
internal static class PidWaiter
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(50);

    // Stop-Process returns when the signal is sent; the process then needs a moment to end.
    private static readonly TimeSpan TimeToDie = TimeSpan.FromMilliseconds(150);

    /// <summary>Waits until none of the pids is taken.</summary>
    /// <param name="processIds">The pids.</param>
    /// <param name="timeout">How long to wait.</param>
    /// <param name="isWorthWaiting">
    /// Asked of each taken pid's process: whether it is on its way out. When one is not, the wait ends
    /// after the moment that a process takes to end that was just killed.
    /// </param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The pids that are still taken.</returns>
    internal static List<int> Wait(
        IReadOnlyList<int> processIds, TimeSpan timeout, Func<int, bool> isWorthWaiting, CancellationToken cancellation)
    {
        long start = Environment.TickCount64;
        long end = start + (long)timeout.TotalMilliseconds;
        TimeSpan pause = FirstPause;
        var taken = new List<int>(processIds);
        while (true)
        {
            taken.RemoveAll(static id => LibC.Kill(id, 0) == Errno.ESRCH && !ProcessGroup.Exists(id));
            long now = Environment.TickCount64;
            if (taken.Count == 0 || now >= end || (now >= start + TimeToDie.TotalMilliseconds && !taken.TrueForAll(id => isWorthWaiting(id))))
            {
                return taken;
            }

            if (cancellation.WaitHandle.WaitOne(pause))
            {
                cancellation.ThrowIfCancellationRequested();
            }

            pause = pause * 2 > LongestPause ? LongestPause : pause * 2;
        }
    }

    /// <summary>Whether a pid's process has ended and only waits to be reaped, as all of its group where it has no process of its own.</summary>
    internal static bool IsZombie(int processId) =>
        ProcessStatus.TryRead(processId) is { } status ? status.HasEnded : !ProcessGroup.Exists(processId) || ProcessGroup.FindMember(processId) is not { HasEnded: false };
}
