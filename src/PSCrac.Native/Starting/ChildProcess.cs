using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Starting;

/// <summary>
/// A child of this process: started by it, or restored as its child. A thread of its own waits for its end and reaps it,
/// so that it never stays a zombie, which would keep its pid from a restore.
/// </summary>
internal sealed class ChildProcess
{
    /// <summary>How long a program may take to end by itself once it was asked to.</summary>
    internal static readonly TimeSpan EndGrace = TimeSpan.FromSeconds(5);

    private readonly SafeFileHandle _pidFd;
    private readonly ManualResetEvent _ended = new(initialState: false);
    private volatile ExitStatus? _status;

    private ChildProcess(int id, SafeFileHandle pidFd)
    {
        Id = id;
        _pidFd = pidFd;
    }

    /// <summary>The pid, which is the child's until it has ended.</summary>
    internal int Id { get; }

    internal bool HasExited => _status is not null;

    /// <summary>The exit code, 128 and the signal's number where a signal ended it; null while it runs.</summary>
    internal int? ExitCode => _status?.Code;

    /// <summary>The signal that ended it; null where none did.</summary>
    internal int? ExitSignal => _status?.Signal;

    /// <summary>Set once it has ended and was reaped.</summary>
    internal WaitHandle Ended => _ended;

    /// <summary>Takes charge of a child that nobody else reaps.</summary>
    internal static ChildProcess Adopt(int processId)
    {
        SafeFileHandle pidFd = LibC.OpenPidFd(processId, out int errno);
        if (errno != 0)
        {
            pidFd.Dispose();
            throw new CracException(
                CracReason.ProcessGone, $"Process {processId} was started but cannot be watched: {LibC.Message(errno)}.") { ProcessId = processId };
        }

        var child = new ChildProcess(processId, pidFd);
        new Thread(child.Reap, maxStackSize: 256 * 1024) { IsBackground = true, Name = $"PSCrac child {processId}" }.Start();
        return child;
    }

    /// <summary>Sends a signal, which never reaches a later process with the same pid. Does nothing once it has ended.</summary>
    internal void Signal(int signal) => LibC.Signal(_pidFd, signal);

    /// <summary>Waits until it has ended.</summary>
    /// <returns>Whether it has.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal bool WaitForExit(TimeSpan timeout, CancellationToken cancellation)
    {
        int ended = WaitHandle.WaitAny([_ended, cancellation.WaitHandle], timeout);
        if (ended == 1)
        {
            cancellation.ThrowIfCancellationRequested();
        }

        return ended == 0;
    }

    /// <summary>Ends it with all its descendants: SIGTERM to each and, to what is left after the grace time, SIGKILL.</summary>
    internal void End()
    {
        List<ProcessIdentity> tree = ReadTree();
        SignalAll(tree, LibC.SIGTERM);
        if (!_ended.WaitOne(EndGrace))
        {
            // What the program has started since belongs to it too.
            tree.AddRange(ReadTree());
        }

        SignalAll(tree, LibC.SIGKILL);
        Signal(LibC.SIGKILL);
        _ended.WaitOne(EndGrace);
    }

    private static void SignalAll(List<ProcessIdentity> tree, int signal)
    {
        foreach (ProcessIdentity member in tree)
        {
            using SafeFileHandle pidFd = LibC.OpenPidFd(member.ProcessId, out int errno);
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

    private void Reap()
    {
        int errno = LibC.Reap(_pidFd, out int code, out bool exited);

        // ECHILD: whoever started this process lets the kernel reap all children, and then their exit codes are lost.
        _status = errno != 0 ? new ExitStatus(null, null) : exited ? new ExitStatus(code, null) : new ExitStatus(128 + code, code);
        _ended.Set();
    }

    private sealed record ExitStatus(int? Code, int? Signal);
}
