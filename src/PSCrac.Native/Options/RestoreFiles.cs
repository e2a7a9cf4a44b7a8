namespace PSCrac.Options;

/// <summary>Which of an image's open files are replaced by others. Paths are those that the restored process sees.</summary>
public sealed record RestoreFiles
{
    /// <summary>The file for the tree's standard input; null to keep the one it had.</summary>
    public string? StandardInputPath { get; init; }

    /// <summary>The file that the tree's standard output is appended to; null to keep the one it had.</summary>
    public string? StandardOutputPath { get; init; }

    /// <summary>The file that the tree's standard error is appended to; null to keep the one it had.</summary>
    public string? StandardErrorPath { get; init; }

    /// <summary>Files that have moved: the path at the checkpoint, and the present one, whose size and mode are not checked.</summary>
    public IReadOnlyDictionary<string, string> Replace { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Whether files that have grown since the checkpoint are opened: one that was written continues at its present end, one
    /// that was read at its position.
    /// </summary>
    public bool ReopenGrown { get; init; }

    /// <summary>Whether any file is replaced.</summary>
    internal bool IsEmpty =>
        StandardInputPath is null && StandardOutputPath is null && StandardErrorPath is null && Replace.Count == 0 && !ReopenGrown;
}
