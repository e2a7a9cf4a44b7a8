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
    private readonly List<ProcessIdentity> _all;
    private readonly List<ProcessIdentity> _running;
    private readonly SessionGuard _guard;

    /// <summary>Queues the stops.</summary>
    /// <param name="processes">The processes that are held.</param>
    /// <param name="stoppedBefore">Those of them that were stopped before they were traced.</param>
    /// <param name="guard">Lets them continue if this process is killed; the tracer then lets them go.</param>
    internal QueuedStop(IEnumerable<ProcessIdentity> processes, IReadOnlySet<ProcessIdentity> stoppedBefore, SessionGuard guard)
    {
        _all = [.. processes];
        _running = _all.FindAll(process => !stoppedBefore.Contains(process));
        _guard = guard;
        guard.WatchStopped([.. _running]);
        _all.ForEach(static process => ProcessKill.Send(process, LibC.SIGSTOP));
    }

    /// <summary>The tracer is told to kill them next. If this process is killed from now on, what is left of them does not continue without the others.</summary>
    /// <param name="tracer">The tracer.</param>
    internal void BeginKilling(ProcessIdentity tracer) => _guard.WatchKilled(tracer, [.. _all], [.. _running]);

    /// <summary>Lets those continue that were not stopped before. Of one that is still held this removes the stop from the queue.</summary>
    internal void Undo() => _running.ForEach(static process => ProcessKill.Send(process, LibC.SIGCONT));
}
