namespace PSCrac.Archives;

/// <summary>Which archive becomes which image, and how.</summary>
internal sealed record ImportRequest
{
    /// <summary>The full path of the archive.</summary>
    internal required string ArchivePath { get; init; }

    /// <summary>The full path of the image.</summary>
    internal required string ImagePath { get; init; }

    /// <summary>The full paths of files with identities, for an encrypted archive.</summary>
    internal IReadOnlyList<string> Identities { get; init; } = [];

    /// <summary>The most bytes that the content of the archive may have; null for what the file system of the image has room for.</summary>
    internal long? MaximumSize { get; init; }

    /// <summary>Whether an image at the path is replaced.</summary>
    internal bool Force { get; init; }
}
