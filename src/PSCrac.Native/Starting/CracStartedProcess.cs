using PSCrac.Common;
using PSCrac.Starting;

namespace PSCrac;

/// <summary>
/// A program that was started, or restored in its place, so that it can be checkpointed. It binds to Stop-Process,
/// Wait-Process and Get-Process by <see cref="Id"/>, and has no property named Name or ProcessName, since these would
/// bind too.
/// </summary>
public sealed class CracStartedProcess : IReadySubject
{
    internal CracStartedProcess(ChildProcess child, string command, bool isRestored, int imageProcessId)
    {
        Child = child;
        Command = command;
        IsRestored = isRestored;
        ImageProcessId = imageProcessId;
    }

    /// <summary>The pid, as seen from here. Once the process has ended it may be another's.</summary>
    public int Id => Child.Id;

    /// <summary>The command line, arguments parted by blanks.</summary>
    public string Command { get; }

    /// <summary>Whether it came out of an image instead of being started.</summary>
    public bool IsRestored { get; }

    /// <summary>
    /// How long it took from the start, or from the beginning of the restore, until it was ready; null where no condition
    /// said when that is.
    /// </summary>
    public TimeSpan? ReadyTime { get; internal set; }

    /// <summary>The image that was made of it, or that it came from; null where there is none.</summary>
    public CracImage? Image { get; internal set; }

    /// <summary>Whether it has ended. A checkpoint that does not leave it running ends it.</summary>
    public bool HasExited => Child.HasExited;

    /// <summary>The exit code, 128 and the signal's number where a signal ended it, as shells have it; null while it runs.</summary>
    public int? ExitCode => Child.ExitCode;

    /// <summary>The number of the signal that ended it; null where none did.</summary>
    public int? ExitSignal => Child.ExitSignal;

    /// <summary>The file that its standard output goes to; null for none, and for a restored process, which has what the image says.</summary>
    public string? StandardOutputPath { get; internal init; }

    /// <summary>The file that its standard error goes to; null in the same cases.</summary>
    public string? StandardErrorPath { get; internal init; }

    /// <summary>The pid that the process itself knows, and that it has in an image: another than <see cref="Id"/> in a pid namespace of its own.</summary>
    public int ImageProcessId { get; }

    /// <summary>
    /// The first process of the pid namespace that the program was started or restored in, which passes signals on to it and
    /// ends with it; null where that is the caller's.
    /// </summary>
    public int? NamespaceInitId => Child.NamespaceInitId;

    internal ChildProcess Child { get; }

    /// <summary>The files that it writes its output to, each once.</summary>
    internal IReadOnlyList<OutputFile> Output { get; init; } = [];

    IReadOnlyList<OutputFile> IReadySubject.Output => Output;

    string? IReadySubject.RecommendedAction => !IsRestored && Output.Count == 0 ? "Give -StandardErrorPath to see what the program says." : null;

    /// <summary>Waits until it has ended.</summary>
    /// <param name="timeout">How long; <see cref="Timeout.InfiniteTimeSpan"/> for as long as it takes.</param>
    /// <param name="cancellation">Ends the wait; the process goes on.</param>
    /// <returns>Whether it has ended.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public bool WaitForExit(TimeSpan timeout, CancellationToken cancellation = default) => Child.WaitForExit(timeout, cancellation);

    /// <summary>Lets the program outlive this process, if it was started to end with it.</summary>
    public void HandOver() => Child.HandOver();

    /// <summary>Asks it and its descendants to end (SIGTERM), ends by force what has not after five seconds, and waits until it is gone.</summary>
    public void End() => Child.End();

    /// <inheritdoc/>
    public override string ToString() => $"{Command} ({Id})";
}
