using PSCrac.Common;
using PSCrac.Starting;

namespace PSCrac;

/// <summary>
/// A program that was started so that it can be checkpointed, or restored instead. It binds to Stop-Process,
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

    /// <summary>The pid in this process's pid namespace. Once the process has ended it may be another process's.</summary>
    public int Id => Child.Id;

    /// <summary>The command line, arguments separated by spaces.</summary>
    public string Command { get; }

    /// <summary>Whether it was restored from an image instead of started.</summary>
    public bool IsRestored { get; }

    /// <summary>
    /// The time from the start of the program, or of the restore, until it was ready; null where no condition was given.
    /// </summary>
    public TimeSpan? ReadyTime { get; internal set; }

    /// <summary>The image that its checkpoint made, or that it was restored from; null for none.</summary>
    public CracImage? Image { get; internal set; }

    /// <summary>Whether it has ended. A checkpoint that does not leave it running ends it.</summary>
    public bool HasExited => Child.HasExited;

    /// <summary>The exit code, 128 and the signal's number where a signal ended it, as in a shell; null while it runs.</summary>
    public int? ExitCode => Child.ExitCode;

    /// <summary>The number of the signal that ended it; null where none did.</summary>
    public int? ExitSignal => Child.ExitSignal;

    /// <summary>The file that its standard output is appended to; null for none, and for a restored process, whose files the image has.</summary>
    public string? StandardOutputPath { get; internal init; }

    /// <summary>The file that its standard error is appended to; null in the same cases.</summary>
    public string? StandardErrorPath { get; internal init; }

    /// <summary>The pid in its own pid namespace, which an image of it has. In a new pid namespace it differs from <see cref="Id"/>.</summary>
    public int ImageProcessId { get; }

    /// <summary>
    /// The pid of the init of the new pid namespace that the program runs in, which forwards signals to it and ends with it; null
    /// where it runs in the caller's namespace.
    /// </summary>
    public int? NamespaceInitId => Child.NamespaceInitId;

    internal ChildProcess Child { get; }

    /// <summary>The files that its output goes to, each once.</summary>
    internal IReadOnlyList<OutputFile> Output { get; init; } = [];

    IReadOnlyList<OutputFile> IReadySubject.Output => Output;

    string? IReadySubject.RecommendedAction => !IsRestored && Output.Count == 0 ? "Give -StandardErrorPath to see the program's error output." : null;

    /// <summary>Waits until it has ended.</summary>
    /// <param name="timeout">The longest wait; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="cancellation">Ends the wait; the process continues.</param>
    /// <returns>Whether it has ended.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public bool WaitForExit(TimeSpan timeout, CancellationToken cancellation = default) => Child.WaitForExit(timeout, cancellation);

    /// <summary>Lets the program continue when this process ends, if it was started to end with it.</summary>
    public void HandOver() => Child.HandOver();

    /// <summary>Sends SIGTERM to it and its descendants, SIGKILL to those that still run after five seconds, and waits until it has ended.</summary>
    public void End() => Child.End();

    /// <inheritdoc/>
    public override string ToString() => $"{Command} ({Id})";
}
