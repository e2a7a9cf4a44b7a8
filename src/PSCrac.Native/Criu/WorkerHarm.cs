namespace PSCrac.Criu;

/// <summary>What a criu that was killed has done to the processes that it worked on.</summary>
/// <param name="What">Sentences about the processes.</param>
/// <param name="RecommendedAction">What to do next.</param>
internal sealed record WorkerHarm(string What, string RecommendedAction)
{
    /// <summary>What to do where nothing is harmed.</summary>
    internal const string TryAgain = "Try again; criu's log shows how far it came. If nobody has killed criu, the kernel may have, for want of memory: dmesg shows it.";

    /// <summary>The exception for a criu that ended before its response.</summary>
    /// <param name="how">How it ended, without the full stop.</param>
    /// <param name="cause">What it was rolling back from; null for nothing.</param>
    /// <param name="harm">What it has done; null for nothing.</param>
    /// <param name="log">Its log; null if it wrote none.</param>
    /// <param name="lines">Its error lines.</param>
    internal static CracException Explain(string how, Exception? cause, WorkerHarm? harm, string? log, IReadOnlyList<string> lines)
    {
        string what = cause is null or OperationCanceledException ? $"{how}." : $"{how}, while it rolled back from this: {cause.Message}";
        return new CracException(CracReason.WorkerDied, harm is null ? what : $"{what} {harm.What}", harm?.RecommendedAction ?? TryAgain, cause)
        {
            LogPath = log,
            CriuLines = lines,
        };
    }
}
