using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.PidNamespaces;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Starting;

/// <summary>
/// The root of a tree that this process has started or restored, whose end it observes. A thread reaps a child as soon as it ends,
/// since a zombie would keep its pid from a restore; of a tree in a new pid namespace, the namespace's init reports the end. Until
/// <see cref="HandOver"/> it ends with this process.
/// </summary>
internal sealed class ChildProcess
{
    /// <summary>How long a program may take to end after SIGTERM.</summary>
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

    /// <summary>The pid, which may be another process's once the child has ended.</summary>
    internal int Id { get; }

    /// <summary>The pid of its namespace's init; null where it is in this process's pid namespace.</summary>
    internal int? NamespaceInitId => _init?.ProcessId;

    internal bool HasExited => _status is not null;

    /// <summary>The exit code, 128 and the signal's number where a signal ended it; null while it runs.</summary>
    internal int? ExitCode => _status?.Code;

    /// <summary>The signal that ended it; null where none did.</summary>
    internal int? ExitSignal => _status?.Signal;

    /// <summary>Takes charge of a child of this process, and reaps it.</summary>
    /// <param name="processId">The child.</param>
    /// <param name="guard">Ends it with this process, until it is handed over; null for none.</param>
    internal static ChildProcess Adopt(int processId, SessionGuard? guard)
    {
        guard?.Watch(processId);
        var child = new ChildProcess(processId, Open(processId), guard, init: null);
        new Thread(child.Reap, maxStackSize: 256 * 1024) { IsBackground = true, Name = $"PSCrac child {processId}" }.Start();
        return child;
    }

    /// <summary>Takes charge of the root of a new pid namespace, whose init reaps it.</summary>
    /// <param name="processId">The root, by its pid here.</param>
    /// <param name="init">The namespace.</param>
    internal static ChildProcess Adopt(int processId, NamespaceInitProcess init)
    {
        var child = new ChildProcess(processId, Open(processId), guard: null, init);
        init.Watch();
        child.FollowEnd(init.Ended);
        return child;
    }

    /// <summary>Takes charge of a restored process whose end is observed.</summary>
    /// <param name="restored">The restored tree's root, restored as a child or into a namespace of its own.</param>
    /// <param name="guard">Ends it with this process, until it is handed over; null for none.</param>
    internal static ChildProcess Adopt(CracRestoredProcess restored, SessionGuard? guard)
    {
        guard?.Watch(restored.Id);

        // It may have ended already; then it has no descriptor, and is sent no signal.
        var child = new ChildProcess(restored.Id, LibC.OpenPidFd(restored.Id, out _), guard, restored.NamespaceInitProcess);
        child.FollowEnd(restored.End!);
        return child;
    }

    /// <summary>Lets it continue when this process ends.</summary>
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

    /// <summary>Ends it and all its descendants: sends SIGTERM to each and, after <see cref="EndGrace"/>, SIGKILL to what is left.</summary>
    internal void End()
    {
        List<ProcessIdentity> tree = ReadTree();
        SignalAll(tree, LibC.SIGTERM);
        if (!_ended.Task.Wait(EndGrace))
        {
            // Includes what the program has started since.
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

        // ECHILD: this process was started with SIGCHLD ignored, so the kernel reaps all children, and their exit codes are lost.
        SetEnded(errno == 0 ? (code, exited) : null);
    }

    private void FollowEnd(Task<(int Code, bool Exited)?> end) => end.ContinueWith(
        static (task, child) => ((ChildProcess)child!).SetEnded(task.Result),
        this, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    private void SetEnded((int Code, bool Exited)? end)
    {
        _status = end is var (code, exited) ? exited ? new ExitStatus(code, null) : new ExitStatus(128 + code, code) : new ExitStatus(null, null);
        _ended.SetResult();

        // Its pid may soon be another process's.
        _guard?.Dispose();
    }

    private sealed record ExitStatus(int? Code, int? Signal);
}
