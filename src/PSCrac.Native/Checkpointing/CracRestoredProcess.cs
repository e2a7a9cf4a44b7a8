using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Starting;

namespace PSCrac;

/// <summary>
/// The root of a restored tree. It binds to Stop-Process, Wait-Process and Get-Process by <see cref="Id"/>, and has no
/// property named Name or ProcessName, since these would bind too.
/// </summary>
public sealed class CracRestoredProcess : IDisposable, IReadySubject
{
    private readonly SafeFileHandle _pidFd;
    private readonly bool _isChild;

    internal CracRestoredProcess(CracImage image, int id, TimeSpan restoreTime, SafeFileHandle pidFd, bool isChild)
    {
        Id = id;
        ImageProcessId = image.RootProcessId;
        Command = image.Command;
        ProcessCount = image.ProcessCount;
        ImagePath = image.Path;
        RestoreTime = restoreTime;
        _pidFd = pidFd;
        _isChild = isChild;
    }

    /// <summary>The root's pid, as seen from here.</summary>
    public int Id { get; }

    /// <summary>The root's pid in the image, which it also has in its own pid namespace.</summary>
    public int ImageProcessId { get; }

    /// <summary>The root's command line, or its short name where the image does not tell.</summary>
    public string Command { get; }

    /// <summary>How many processes the tree has.</summary>
    public int ProcessCount { get; }

    /// <summary>The image it came from.</summary>
    public string ImagePath { get; }

    /// <summary>How long criu took, from its start until the tree ran.</summary>
    public TimeSpan RestoreTime { get; }

    /// <summary>How long it took, from the beginning of the restore, until it was ready; null where no condition said when that is.</summary>
    public TimeSpan? ReadyTime { get; internal set; }

    IReadOnlyList<OutputFile> IReadySubject.Output => [];

    string? IReadySubject.Advice => null;

    /// <summary>
    /// The exit code, after <see cref="WaitForExit"/> of a process restored as a child; 128 and the signal's number where
    /// a signal ended it, as shells have it. Null where it has not been waited for, or was not restored as a child.
    /// </summary>
    public int? ExitCode { get; private set; }

    /// <summary>The number of the signal that ended it; null where none did, or where it is not known.</summary>
    public int? ExitSignal { get; private set; }

    /// <summary>Waits until the root has ended.</summary>
    /// <param name="timeout">How long; <see cref="Timeout.InfiniteTimeSpan"/> for as long as it takes.</param>
    /// <param name="cancellation">Ends the wait; the process goes on.</param>
    /// <returns>Whether it has ended.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public bool WaitForExit(TimeSpan timeout, CancellationToken cancellation = default)
    {
        const int SliceMilliseconds = 100;
        long end = timeout == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)timeout.TotalMilliseconds;
        while (!LibC.WaitReadable(_pidFd, (int)Math.Clamp(end - Environment.TickCount64, 0, SliceMilliseconds)))
        {
            cancellation.ThrowIfCancellationRequested();
            if (Environment.TickCount64 >= end)
            {
                return false;
            }
        }

        if (_isChild && ExitCode is null && LibC.Reap(_pidFd, out int code, out bool exited) == 0)
        {
            ExitSignal = exited ? null : code;
            ExitCode = exited ? code : 128 + code;
        }

        return true;
    }

    /// <summary>Lets go of the process, which goes on.</summary>
    public void Dispose() => _pidFd.Dispose();

    /// <inheritdoc/>
    public override string ToString() => $"{Command} ({Id})";
}
