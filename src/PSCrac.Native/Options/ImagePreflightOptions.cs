namespace PSCrac.Options;

/// <summary>What the caller has decided about a restore, as far as it changes what stands in its way.</summary>
internal sealed record ImagePreflightOptions
{
    /// <summary>Nothing given: the host's pid namespace, and trust is looked at.</summary>
    public static ImagePreflightOptions Default { get; } = new();

    /// <summary>Whether the tree gets a pid namespace of its own, in which all pids are free.</summary>
    public bool NewPidNamespace { get; init; }

    /// <summary>Whether the restore waits for ids whose processes have ended, but were not reaped yet.</summary>
    public bool WaitsForPids { get; init; } = true;

    /// <summary>Whether all files but the pages are read, instead of only their names and sizes.</summary>
    public bool Full { get; init; }

    /// <summary>Whether whom the image belongs to is left out of account.</summary>
    public bool SkipTrustCheck { get; init; }

    /// <summary>Whether open files that have grown are opened all the same.</summary>
    public bool ReopenGrownFile { get; init; }

    /// <summary>Full paths, as they are in the image, of files that are replaced by others.</summary>
    public IReadOnlySet<string> ReplacedFiles { get; init; } = new HashSet<string>();

    /// <summary>Open files that the restore does not open, by their ids in the image.</summary>
    internal IReadOnlySet<uint> UnopenedFiles { get; init; } = new HashSet<uint>();

    /// <summary>Whether a page daemon brings the memory while the tree runs.</summary>
    public bool LazyPages { get; init; }

    /// <summary>Whether the terminal is replaced, or one is there to be given.</summary>
    public bool HasTerminal { get; init; }

    /// <summary>criu's options in effect, by their long names; null for those that the image was made with.</summary>
    public IReadOnlySet<string>? CriuOptions { get; init; }

    /// <summary>The version of the criu that will restore; null where it is not known.</summary>
    public Version? CriuVersion { get; init; }
}
