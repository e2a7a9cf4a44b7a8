using PSCrac.Common;

namespace PSCrac.Starting;

/// <summary>
/// Receives the progress of a restore, and starts checking the first readiness condition when the tree is about to run, in parallel
/// with the rest of the restore.
/// </summary>
internal sealed class EarlyReadinessCheck : IProgress<CracProgress>, IDisposable
{
    private readonly IProgress<CracProgress>? _progress;
    private readonly ReadyCondition? _first;
    private readonly CancellationTokenSource _ending;

    /// <summary>Creates it.</summary>
    /// <param name="progress">Receives the same reports; null for none.</param>
    /// <param name="conditions">The conditions, only those that hold after a restore; may be empty.</param>
    /// <param name="cancellation">Ends the check.</param>
    internal EarlyReadinessCheck(IProgress<CracProgress>? progress, IReadOnlyList<ReadyCondition> conditions, CancellationToken cancellation)
    {
        _progress = progress;
        _first = conditions.Count > 0 ? conditions[0] : null;
        _ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    }

    /// <inheritdoc/>
    public void Report(CracProgress value)
    {
        if (value.Phase == CracPhase.Resuming)
        {
            _first?.BeginEarlyCheck(_ending.Token);
        }

        _progress?.Report(value);
    }

    /// <summary>Ends a check that still runs, and discards its result.</summary>
    public void Dispose()
    {
        _first?.CancelEarlyCheck();
        _ending.Cancel();
        _ending.Dispose();
    }
}
