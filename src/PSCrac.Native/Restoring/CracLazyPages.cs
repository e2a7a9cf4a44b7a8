using System.Diagnostics;

namespace PSCrac;

/// <summary>The state of the transfer of a lazily restored tree's pages.</summary>
public enum CracLazyPagesState
{
    /// <summary>Some are still in the image; the page daemon transfers them.</summary>
    InProgress,

    /// <summary>All are transferred, and the image is no longer needed.</summary>
    Completed,

    /// <summary>The page daemon ended with some missing, and the tree was killed, lest it read zeros in their place.</summary>
    Failed,
}

/// <summary>
/// The transfer of the pages of a tree that runs before all of its memory is present. It goes on when the session ends.
/// </summary>
public sealed class CracLazyPages
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>Begins.</summary>
    /// <param name="daemonId">The page daemon.</param>
    internal CracLazyPages(int daemonId) => DaemonId = daemonId;

    /// <summary>The page daemon's pid.</summary>
    public int DaemonId { get; }

    /// <summary>The state of the transfer.</summary>
    public CracLazyPagesState State { get; private set; }

    /// <summary>The time from the start of the tree until all pages were transferred; null while some are missing.</summary>
    public TimeSpan? TransferTime { get; private set; }

    /// <summary>Waits until the transfer has ended.</summary>
    /// <param name="timeout">The maximum wait; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="cancellation">Ends the wait; the transfer continues.</param>
    /// <returns>Whether all pages are transferred; <see cref="State"/> shows whether the others are lost.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public bool WaitForAll(TimeSpan timeout, CancellationToken cancellation = default) =>
        _ended.Task.Wait(timeout, cancellation) && State == CracLazyPagesState.Completed;

    /// <inheritdoc/>
    public override string ToString() => State switch
    {
        CracLazyPagesState.InProgress => "in progress",
        CracLazyPagesState.Completed => $"completed after {TransferTime?.TotalMilliseconds:0} ms",
        _ => "failed",
    };

    internal void Complete(bool hasSucceeded)
    {
        TransferTime = hasSucceeded ? Stopwatch.GetElapsedTime(_start) : null;
        State = hasSucceeded ? CracLazyPagesState.Completed : CracLazyPagesState.Failed;
        _ended.SetResult();
    }
}
