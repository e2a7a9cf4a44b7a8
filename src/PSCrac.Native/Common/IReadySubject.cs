namespace PSCrac.Common;

/// <summary>A started or restored process whose readiness is waited for.</summary>
internal interface IReadySubject
{
    int Id { get; }

    string Command { get; }

    int? ExitCode { get; }

    int? ExitSignal { get; }

    /// <summary>The files that its output is written to, if they are known.</summary>
    IReadOnlyList<OutputFile> Output { get; }

    /// <summary>The recommended action if it is not ready and has written no output; null if its output explains it.</summary>
    string? RecommendedAction { get; }

    /// <summary>Waits for its end.</summary>
    /// <returns>Whether it has.</returns>
    bool WaitForExit(TimeSpan timeout, CancellationToken cancellation);
}
