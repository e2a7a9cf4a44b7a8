using System.Diagnostics;

namespace PSCrac;

/// <summary>How far the pages of a lazily restored tree have come.</summary>
public enum CracLazyPagesState
{
    /// <summary>Some are still in the image; the page daemon brings them.</summary>
    InProgress,

    /// <summary>All are there, and the image is no longer needed.</summary>
    Completed,

    /// <summary>The page daemon ended with some missing, and the tree was ended, since it would have found zeros in their place.</summary>
    Failed,
}

/// <summary>
/// The pages of a tree that runs before all of its memory is there. A session that ends by itself first waits for them,
/// a minute at most: the page daemon works without it, but nobody else would end the tree if the daemon were lost.
/// </summary>
public sealed class CracLazyPages
{
    // A daemon that somebody stopped must not keep the session for good.
    private static readonly TimeSpan MaximumExitDelay = TimeSpan.FromMinutes(1);

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly EventHandler _sessionEnds;

    internal CracLazyPages(int daemonId)
    {
        DaemonId = daemonId;
        _sessionEnds = (_, _) => _ended.Task.Wait(MaximumExitDelay);
        AppDomain.CurrentDomain.ProcessExit += _sessionEnds;
    }

    /// <summary>The page daemon's pid.</summary>
    public int DaemonId { get; }

    /// <summary>How far it has come.</summary>
    public CracLazyPagesState State { get; private set; }

    /// <summary>How long it took, from when the tree began to run until all pages were there; null while some are missing.</summary>
    public TimeSpan? TransferTime { get; private set; }

    /// <summary>Waits until no more pages come.</summary>
    /// <param name="timeout">How long; <see cref="Timeout.InfiniteTimeSpan"/> for as long as it takes.</param>
    /// <param name="cancellation">Ends the wait; the pages go on coming.</param>
    /// <returns>Whether all are there; <see cref="State"/> tells whether the others are lost.</returns>
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
        AppDomain.CurrentDomain.ProcessExit -= _sessionEnds;
    }
}
