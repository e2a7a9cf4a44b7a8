using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes;

/// <summary>
/// Stops of processes that another process traces and is about to kill. They wait in the queue of signals while the tracer holds the
/// processes. If it ends before it has killed all, the kernel lets the others go, and each takes its stop before it runs anything of its
/// program (get_signal() in kernel/signal.c).
/// </summary>
internal sealed class QueuedStop
{
    private readonly List<ProcessIdentity> _running = [];

    /// <summary>Queues the stops.</summary>
    /// <param name="processes">The processes that are held.</param>
    /// <param name="stoppedBefore">Those of them that were stopped before they were traced.</param>
    /// <param name="guard">Lets them continue if this process is killed; the tracer then lets them go.</param>
    internal QueuedStop(IEnumerable<ProcessIdentity> processes, IReadOnlySet<ProcessIdentity> stoppedBefore, SessionGuard guard)
    {
        var all = new List<ProcessIdentity>(processes);
        _running.AddRange(all.FindAll(process => !stoppedBefore.Contains(process)));
        guard.WatchStopped([.. _running]);
        all.ForEach(static process => ProcessKill.Send(process, LibC.SIGSTOP));
    }

    /// <summary>Lets those continue that were not stopped before. Of one that is still held this removes the stop from the queue.</summary>
    internal void Undo() => _running.ForEach(static process => ProcessKill.Send(process, LibC.SIGCONT));
}
