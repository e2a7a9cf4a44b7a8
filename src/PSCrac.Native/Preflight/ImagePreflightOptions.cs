namespace PSCrac.Preflight;

/// <summary>What the caller has decided about a restore, as far as it changes what stands in its way.</summary>
public sealed record ImagePreflightOptions
{
    /// <summary>Nothing given: the host's pid namespace, and trust is looked at.</summary>
    public static ImagePreflightOptions Default { get; } = new();

    /// <summary>Whether the tree gets a pid namespace of its own, in which all pids are free.</summary>
    public bool NewPidNamespace { get; init; }

    /// <summary>Whether all files but the pages are read, instead of only their names and sizes.</summary>
    public bool Full { get; init; }

    /// <summary>Whether whom the image belongs to is left out of account.</summary>
    public bool SkipTrustCheck { get; init; }

    /// <summary>Whether files open for appending that have grown are opened at their present end.</summary>
    public bool ReopenGrownFile { get; init; }

    /// <summary>Full paths, as they are in the image, of files that are replaced by others.</summary>
    public IReadOnlySet<string> ReplacedFiles { get; init; } = new HashSet<string>();

    /// <summary>Whether the terminal is replaced, or one is there to be given.</summary>
    public bool HasTerminal { get; init; }

    /// <summary>Options given in criu's own words, without dashes; null for those without a value.</summary>
    public IReadOnlyDictionary<string, string?> CriuOptions { get; init; } = new Dictionary<string, string?>();

    /// <summary>The version of the criu that will restore, such as 4.2.1; null where it is not known.</summary>
    public string? CriuVersion { get; init; }
}
