namespace PSCrac.Options;

/// <summary>Which of an image's open files are other ones after the restore. Paths are those the restored process will see.</summary>
public sealed record RestoreFiles
{
    /// <summary>What the tree reads as its standard input; null for what it had.</summary>
    public string? StandardInputPath { get; init; }

    /// <summary>Where the tree's standard output is appended to; null for where it went.</summary>
    public string? StandardOutputPath { get; init; }

    /// <summary>Where the tree's standard error is appended to; null for where it went.</summary>
    public string? StandardErrorPath { get; init; }

    /// <summary>Files that have moved: the path at the checkpoint, and the one now. Neither size nor mode of the new one is checked.</summary>
    public IReadOnlyDictionary<string, string> Replace { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Whether files that have grown since the checkpoint are opened all the same: what was written goes on at the present
    /// end, what was read goes on where it was.
    /// </summary>
    public bool ReopenGrown { get; init; }

    /// <summary>Whether anything is to be another file.</summary>
    internal bool IsEmpty =>
        StandardInputPath is null && StandardOutputPath is null && StandardErrorPath is null && Replace.Count == 0 && !ReopenGrown;
}
