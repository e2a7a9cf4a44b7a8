using PSCrac.Common;

namespace PSCrac.Starting;

/// <summary>
/// Listens to a restore's phases: once the tree is about to run, or has begun to, the first condition is looked at beside
/// what is left to do of the restore.
/// </summary>
internal sealed class EarlyLook : IProgress<CracProgress>, IDisposable
{
    private readonly IProgress<CracProgress>? _progress;
    private readonly ReadyCondition? _first;
    private readonly CancellationTokenSource _ending;

    /// <summary>Creates it.</summary>
    /// <param name="progress">Told of the phases in turn; null for nobody.</param>
    /// <param name="conditions">The conditions, all of which hold after a restore; there may be none.</param>
    /// <param name="cancellation">Ends the look.</param>
    internal EarlyLook(IProgress<CracProgress>? progress, IReadOnlyList<ReadyCondition> conditions, CancellationToken cancellation)
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
            _first?.BeginEarly(_ending.Token);
        }

        _progress?.Report(value);
    }

    /// <summary>Ends a look that is still under way, and forgets what it found.</summary>
    public void Dispose()
    {
        _first?.ForgetEarly();
        _ending.Cancel();
        _ending.Dispose();
    }
}
