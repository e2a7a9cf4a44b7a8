namespace PSCrac.Common;

/// <summary>A process, started or restored, that is waited for until it is ready.</summary>
internal interface IReadySubject
{
    int Id { get; }

    string Command { get; }

    int? ExitCode { get; }

    int? ExitSignal { get; }

    /// <summary>The files that its output goes to, where they are known.</summary>
    IReadOnlyList<OutputFile> Output { get; }

    /// <summary>What to do about one that is not ready and says nothing; null where its output tells.</summary>
    string? RecommendedAction { get; }

    /// <summary>Waits until it has ended.</summary>
    /// <returns>Whether it has.</returns>
    bool WaitForExit(TimeSpan timeout, CancellationToken cancellation);
}
