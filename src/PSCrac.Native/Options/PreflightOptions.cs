namespace PSCrac.Options;

/// <summary>What the caller has decided about a checkpoint, as far as the preflight depends on it.</summary>
public sealed record PreflightOptions
{
    /// <summary>Nothing given: the process is killed, and options are chosen.</summary>
    internal static PreflightOptions Default { get; } = new();

    /// <summary>The options given: of one, null means that it may be chosen, false that it must not be.</summary>
    public CheckpointOptions Checkpoint { get; init; } = new();

    /// <summary>Whether options that lose nothing are chosen. Otherwise each is a blocker that names its parameter.</summary>
    public bool ChooseOptions { get; init; } = true;
}
