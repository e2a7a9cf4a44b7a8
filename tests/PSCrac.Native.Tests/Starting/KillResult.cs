namespace PSCrac.Tests.Starting;

/// <summary>What is interrupted.</summary>
internal enum KilledOperation
{
    Dump,
    Restore,
    LazyRestore,
}

/// <summary>What is killed.</summary>
internal enum KillVictim
{
    None,
    Worker,
    Guard,
    PageDaemon,
    PageGuard,
    Session,
}

/// <summary>What came of it.</summary>
/// <param name="Phase">The phase of the kill; null if it came too late.</param>
/// <param name="Outcome">In a word or two.</param>
/// <param name="Milliseconds">From the start of the worker to the end of the operation.</param>
internal sealed record KillResult(string? Phase, string Outcome, double Milliseconds);

/// <summary>The highest numbers of a series.</summary>
internal sealed class KillPeaks
{
    internal double StrayMilliseconds { get; set; }

    internal int Mappings { get; set; }

    internal int Dead { get; set; }

    internal int LogFolders { get; set; }
}
