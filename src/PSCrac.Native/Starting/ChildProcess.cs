using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.PidNamespaces;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Starting;

/// <summary>
/// The root of a tree that this process has started or restored, and takes note of the end of: by a thread of its own,
/// which reaps a child, so that it never stays a zombie, which would keep its pid from a restore; or by what the init of
/// the tree's own pid namespace tells. Until <see cref="HandOver"/> it ends with this process.
/// </summary>
internal sealed class ChildProcess
{
    /// <summary>How long a program may take to end by itself once it was asked to.</summary>
    internal static readonly TimeSpan EndGrace = TimeSpan.FromSeconds(5);

    private readonly SafeFileHandle _pidFd;
    private readonly SessionGuard? _guard;
    private readonly NamespaceInitProcess? _init;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile ExitStatus? _status;

    private ChildProcess(int id, SafeFileHandle pidFd, SessionGuard? guard, NamespaceInitProcess? init)
    {
        Id = id;
        _pidFd = pidFd;
        _guard = guard;
        _init = init;
    }

    /// <summary>The pid, which is the child's until it has ended.</summary>
    internal int Id { get; }

    /// <summary>The first process of its own pid namespace; null where it is in this process's.</summary>
    internal int? NamespaceInitId => _init?.ProcessId;

    internal bool HasExited => _status is not null;

    /// <summary>The exit code, 128 and the signal's number where a signal ended it; null while it runs.</summary>
    internal int? ExitCode => _status?.Code;

    /// <summary>The signal that ended it; null where none did.</summary>
    internal int? ExitSignal => _status?.Signal;

    /// <summary>Takes charge of a child that nobody else reaps.</summary>
    /// <param name="processId">The child.</param>
    /// <param name="guard">Ends it with this process, until it is handed over; null for nobody.</param>
    internal static ChildProcess Adopt(int processId, SessionGuard? guard)
    {
        guard?.Watch(processId);
        var child = new ChildProcess(processId, Open(processId), guard, init: null);
        new Thread(child.Reap, maxStackSize: 256 * 1024) { IsBackground = true, Name = $"PSCrac child {processId}" }.Start();
        return child;
    }

    /// <summary>Takes charge of the root of a new pid namespace, which this lets be reaped.</summary>
    /// <param name="processId">The root, by its pid here.</param>
    /// <param name="init">The namespace.</param>
    internal static ChildProcess Adopt(int processId, NamespaceInitProcess init)
    {
        var child = new ChildProcess(processId, Open(processId), guard: null, init);
        init.Watch();
        child.FollowEnd(init.Ended);
        return child;
    }

    /// <summary>Takes charge of what was restored so that its end is told.</summary>
    /// <param name="restored">The restored tree's root, restored as a child or into a namespace of its own.</param>
    /// <param name="guard">Ends it with this process, until it is handed over; null for nobody.</param>
    internal static ChildProcess Adopt(CracRestoredProcess restored, SessionGuard? guard)
    {
        guard?.Watch(restored.Id);

        // It may have ended already, and nobody signals it then.
        var child = new ChildProcess(restored.Id, LibC.OpenPidFd(restored.Id, out _), guard, restored.NamespaceInitProcess);
        child.FollowEnd(restored.End!);
        return child;
    }

    /// <summary>Lets it outlive this process.</summary>
    internal void HandOver()
    {
        _guard?.Dispose();
        _init?.Keep();
    }

    /// <summary>Sends a signal, which never reaches a later process with the same pid. Does nothing once it has ended.</summary>
    internal void Signal(int signal) => LibC.Signal(_pidFd, signal);

    /// <summary>Waits until it has ended.</summary>
    /// <returns>Whether it has.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal bool WaitForExit(TimeSpan timeout, CancellationToken cancellation) => _ended.Task.Wait(timeout, cancellation);

    /// <summary>Ends it with all its descendants: SIGTERM to each and, to what is left after the grace time, SIGKILL.</summary>
    internal void End()
    {
        List<ProcessIdentity> tree = ReadTree();
        SignalAll(tree, LibC.SIGTERM);
        if (!_ended.Task.Wait(EndGrace))
        {
            // What the program has started since belongs to it too.
            tree.AddRange(ReadTree());
        }

        SignalAll(tree, LibC.SIGKILL);
        Signal(LibC.SIGKILL);
        _ended.Task.Wait(EndGrace);
    }

    private static void SignalAll(List<ProcessIdentity> tree, int signal)
    {
        foreach (ProcessIdentity member in tree)
        {
            using SafeFileHandle pidFd = LibC.OpenPidFd(member.ProcessId, out Errno errno);
            if (errno == 0 && member.IsRunning())
            {
                LibC.Signal(pidFd, signal);
            }
        }
    }

    private List<ProcessIdentity> ReadTree()
    {
        try
        {
            return HasExited ? [] : [.. ProcessTree.Read(Id).Members.Select(static member => member.Status.Identity)];
        }
        catch (CracException)
        {
            return [];
        }
    }

    private static SafeFileHandle Open(int processId)
    {
        SafeFileHandle pidFd = LibC.OpenPidFd(processId, out Errno errno);
        if (errno == 0)
        {
            return pidFd;
        }

        pidFd.Dispose();
        throw new CracException(
            CracReason.ProcessGone, $"Process {processId} was started but cannot be watched: {LibC.Message(errno)}.")
        { ProcessId = processId };
    }

    private void Reap()
    {
        Errno errno = LibC.Reap(_pidFd, out int code, out bool exited);

        // ECHILD: whoever started this process lets the kernel reap all children, and then their exit codes are lost.
        SetEnded(errno == 0 ? (code, exited) : null);
    }

    private void FollowEnd(Task<(int Code, bool Exited)?> end) => end.ContinueWith(
        static (task, child) => ((ChildProcess)child!).SetEnded(task.Result),
        this, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    private void SetEnded((int Code, bool Exited)? end)
    {
        _status = end is var (code, exited) ? exited ? new ExitStatus(code, null) : new ExitStatus(128 + code, code) : new ExitStatus(null, null);
        _ended.SetResult();

        // Its pid may soon be another's.
        _guard?.Dispose();
    }

    private sealed record ExitStatus(int? Code, int? Signal);
}
