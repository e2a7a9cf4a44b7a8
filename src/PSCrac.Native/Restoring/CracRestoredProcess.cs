using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Interop;
using PSCrac.PidNamespaces;

namespace PSCrac;

/// <summary>
/// The root of a restored tree. It binds to Stop-Process, Wait-Process and Get-Process by <see cref="Id"/>, and has no
/// property named Name or ProcessName, since these would bind too.
/// </summary>
public sealed class CracRestoredProcess : IDisposable, IReadySubject
{
    private readonly SafeFileHandle? _pidFd;
    private readonly Task<(int Code, bool Exited)?>? _reaper;

    internal CracRestoredProcess(CracImage image, int id, TimeSpan restoreTime, bool isChild)
    {
        Id = id;
        ImageProcessId = image.RootProcessId;
        Command = image.Command;
        ProcessCount = image.ProcessCount;
        ImagePath = image.Path;
        RestoreTime = restoreTime;
        SafeFileHandle pidFd = LibC.OpenPidFd(id, out Errno errno);
        if (errno != 0)
        {
            // It has ended already and init has reaped it; a child of this process would still be a zombie.
            pidFd.Dispose();
        }
        else if (isChild)
        {
            _reaper = StartReaper(pidFd, id);
        }
        else
        {
            _pidFd = pidFd;
        }
    }

    internal CracRestoredProcess(CracImage image, int id, TimeSpan restoreTime, NamespaceInitProcess init)
        : this(image, id, restoreTime, isChild: false)
    {
        // The init ends with the root and reports how the root ended.
        NamespaceInitProcess = init;
        _reaper = init.Ended;
    }

    internal CracRestoredProcess(CracImage image, int id, TimeSpan restoreTime, SafeFileHandle guard, int guardId)
        : this(image, id, restoreTime, isChild: false)
    {
        // A child of this process is the root's parent and ends as the root does.
        _reaper = StartReaper(guard, guardId);
    }

    /// <summary>The root's pid, as seen from here.</summary>
    public int Id { get; }

    /// <summary>The root's command line, or its short name where the image has no command line.</summary>
    public string Command { get; }

    /// <summary>The image it came from.</summary>
    public string ImagePath { get; internal set; }

    /// <summary>How many processes the tree has.</summary>
    public int ProcessCount { get; }

    /// <summary>What the preflight found; empty where it was skipped.</summary>
    internal IReadOnlyList<CracFinding> Findings { get; init; } = [];

    /// <summary>The time from the start of criu's restore until the tree ran.</summary>
    public TimeSpan RestoreTime { get; }

    /// <summary>The time from the start of the restore until the process was ready; null where no condition was given.</summary>
    public TimeSpan? ReadyTime { get; internal set; }

    /// <summary>
    /// The exit code of a process restored as a child or into a new pid namespace; 128 and the signal's number where a
    /// signal ended it, as in a shell. Null while it runs, or where it was restored in neither way.
    /// </summary>
    public int? ExitCode => Ended is var (code, exited) ? exited ? code : 128 + code : null;

    /// <summary>The number of the signal that ended it; null where none did, or where it is not known.</summary>
    public int? ExitSignal => Ended is (var code, false) ? code : null;

    /// <summary>The root's pid in the image, which it also has in its own pid namespace.</summary>
    public int ImageProcessId { get; }

    /// <summary>
    /// The first process of the pid namespace that the tree was restored into, which passes signals on to the root and
    /// ends with it; null where it was restored into the caller's namespace.
    /// </summary>
    public int? NamespaceInitId => NamespaceInitProcess?.ProcessId;

    /// <summary>What is different in the restored tree, found only during the restore; sentences.</summary>
    public IReadOnlyList<string> Warnings { get; internal init; } = [];

    /// <summary>The state of a restore with lazy pages; null for any other restore.</summary>
    public CracLazyPages? LazyPages { get; internal init; }

    /// <summary>The pid namespace that it was restored into; null for the caller's.</summary>
    internal NamespaceInitProcess? NamespaceInitProcess { get; }

    /// <summary>Completed when the root has ended; null where it is neither a child nor in a new pid namespace.</summary>
    internal Task<(int Code, bool Exited)?>? End => _reaper;

    IReadOnlyList<OutputFile> IReadySubject.Output => [];

    string? IReadySubject.RecommendedAction => null;

    private (int Code, bool Exited)? Ended => _reaper is { IsCompletedSuccessfully: true } ? _reaper.Result : null;

    /// <summary>Waits until the root has ended.</summary>
    /// <param name="timeout">The longest wait; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="cancellation">Ends the wait; the process continues.</param>
    /// <returns>Whether it has ended.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public bool WaitForExit(TimeSpan timeout, CancellationToken cancellation = default)
    {
        if (_reaper is not null)
        {
            return _reaper.Wait(timeout, cancellation);
        }

        const int SliceMilliseconds = 100;
        long end = timeout == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        while (_pidFd is not null && !LibC.WaitReadable(_pidFd, (int)Math.Clamp(end - Environment.TickCount64, 0, SliceMilliseconds)))
        {
            cancellation.ThrowIfCancellationRequested();
            if (Environment.TickCount64 >= end)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Closes the handle of the process, which continues.</summary>
    public void Dispose() => _pidFd?.Dispose();

    // A child is reaped as soon as it ends, whether or not anything waits for it. A zombie would keep its pid, so that the image
    // could not be restored again. And while a System.Diagnostics.Process of the checkpointed process, which had the same pid,
    // exists, .NET's SIGCHLD handler takes the zombie for a child that it has reaped already, and polls it, under a lock that
    // all of Process needs, until it is reaped.
    private static Task<(int Code, bool Exited)?> StartReaper(SafeFileHandle pidFd, int id)
    {
        var ended = new TaskCompletionSource<(int Code, bool Exited)?>(TaskCreationOptions.RunContinuationsAsynchronously);
        var reaper = new Thread(() =>
        {
            using (pidFd)
            {
                Errno errno = LibC.Reap(pidFd, out int code, out bool exited);
                ended.SetResult(errno == 0 ? (code, exited) : null);
            }
        })
        { IsBackground = true, Name = $"reaper of {id}" };
        reaper.Start();
        return ended.Task;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Command} ({Id})";
}
