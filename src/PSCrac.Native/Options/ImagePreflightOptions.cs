namespace PSCrac.Options;

/// <summary>What the caller has decided about a restore, as far as the preflight depends on it.</summary>
internal sealed record ImagePreflightOptions
{
    /// <summary>Nothing given: the caller's pid namespace, with the ownership check.</summary>
    internal static ImagePreflightOptions Default { get; } = new();

    /// <summary>Whether the tree gets a pid namespace of its own, in which all pids are free.</summary>
    internal bool NewPidNamespace { get; init; }

    /// <summary>Whether the root becomes a child of the caller.</summary>
    internal bool AsChild { get; init; }

    /// <summary>Whether the tree is known to get a pid namespace of its own, instead of only if its pids are taken.</summary>
    internal bool IsNewPidNamespaceCertain { get; init; }

    /// <summary>Whether the restore waits for ids whose processes have ended, but were not reaped yet.</summary>
    internal bool WaitsForPids { get; init; } = true;

    /// <summary>Whether all files but the pages are read, instead of only their names and sizes.</summary>
    internal bool Full { get; init; }

    /// <summary>Cancels the reading of the files.</summary>
    internal CancellationToken Cancellation { get; init; }

    /// <summary>Skips the ownership check.</summary>
    internal bool SkipTrustCheck { get; init; }

    /// <summary>Whether only an image that an allowed signer has signed is restored.</summary>
    internal bool RequireSignature { get; init; }

    /// <summary>The allowed-signers file; null for the usual one.</summary>
    internal string? AllowedSigners { get; init; }

    /// <summary>Whether files that have grown since the checkpoint are accepted.</summary>
    internal bool ReopenGrownFile { get; init; }

    /// <summary>Full paths, as they are in the image, of files that are replaced by others.</summary>
    internal IReadOnlySet<string> ReplacedFiles { get; init; } = new HashSet<string>();

    /// <summary>Open files that the restore does not open, by their ids in the image.</summary>
    internal IReadOnlySet<uint> UnopenedFiles { get; init; } = new HashSet<uint>();

    /// <summary>Whether memory is restored on demand by a page daemon.</summary>
    internal bool LazyPages { get; init; }

    /// <summary>Whether the terminal is replaced, or the caller has one to pass on.</summary>
    internal bool HasTerminal { get; init; }

    /// <summary>criu's options in effect, by their long names; null for those that the image was made with.</summary>
    internal IReadOnlySet<string>? CriuOptions { get; init; }

    /// <summary>The version of the criu that will restore; null where it is not known.</summary>
    internal Version? CriuVersion { get; init; }
}
