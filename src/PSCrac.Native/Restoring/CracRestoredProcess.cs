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
            // It has ended already and init has reaped it; a child of ours would wait for us.
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
        // The init ends with the root, and tells how the root ended.
        NamespaceInitProcess = init;
        _reaper = init.Ended;
    }

    internal CracRestoredProcess(CracImage image, int id, TimeSpan restoreTime, SafeFileHandle guard, int guardId)
        : this(image, id, restoreTime, isChild: false)
    {
        // A child of ours stands between us and the root, and ends as the root does.
        _reaper = StartReaper(guard, guardId);
    }

    /// <summary>The root's pid, as seen from here.</summary>
    public int Id { get; }

    /// <summary>The root's command line, or its short name where the image does not tell.</summary>
    public string Command { get; }

    /// <summary>The image it came from.</summary>
    public string ImagePath { get; }

    /// <summary>How many processes the tree has.</summary>
    public int ProcessCount { get; }

    /// <summary>What the look at the image and this machine found beforehand; empty where there was none.</summary>
    internal IReadOnlyList<CracFinding> Findings { get; init; } = [];

    /// <summary>How long criu took, from its start until the tree ran.</summary>
    public TimeSpan RestoreTime { get; }

    /// <summary>How long it took, from the beginning of the restore, until it was ready; null where no condition said when that is.</summary>
    public TimeSpan? ReadyTime { get; internal set; }

    /// <summary>
    /// The exit code of a process restored as a child or into a new pid namespace; 128 and the signal's number where a
    /// signal ended it, as shells have it. Null while it runs, or where it is neither.
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

    /// <summary>What is not with the tree as it was, and could not be asked about before.</summary>
    public IReadOnlyList<string> Warnings { get; internal init; } = [];

    /// <summary>How far its memory has come, where it was restored before all of it was there; otherwise null.</summary>
    public CracLazyPages? LazyPages { get; internal init; }

    /// <summary>The pid namespace that it was restored into; null for the caller's.</summary>
    internal NamespaceInitProcess? NamespaceInitProcess { get; }

    /// <summary>Completed at its end, where that is told; null where it is neither a child nor in a namespace of its own.</summary>
    internal Task<(int Code, bool Exited)?>? End => _reaper;

    IReadOnlyList<OutputFile> IReadySubject.Output => [];

    string? IReadySubject.RecommendedAction => null;

    private (int Code, bool Exited)? Ended => _reaper is { IsCompletedSuccessfully: true } ? _reaper.Result : null;

    /// <summary>Waits until the root has ended.</summary>
    /// <param name="timeout">How long; <see cref="Timeout.InfiniteTimeSpan"/> for as long as it takes.</param>
    /// <param name="cancellation">Ends the wait; the process goes on.</param>
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

    /// <summary>Lets go of the process, which goes on.</summary>
    public void Dispose() => _pidFd?.Dispose();

    // A child is reaped as soon as it ends, whether or not somebody waits for it. Left as a zombie it would keep its pid,
    // and so its image from being restored again; and where a System.Diagnostics.Process of the checkpointed process,
    // which had the same pid, is still held, .NET's SIGCHLD handler finds a dead child that it takes for one that it has
    // reaped already, and asks again and again, under a lock that all of Process needs, until somebody reaps it.
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
