namespace PSCrac.Archives;

/// <summary>That an image must be signed.</summary>
/// <param name="AllowedSigners">The full path of the file that says by whom; null for the usual one.</param>
internal sealed record SignatureRequirement(string? AllowedSigners);

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

    /// <summary>That the image must be signed; null if it need not be.</summary>
    internal SignatureRequirement? Signature { get; init; }

    /// <summary>Whether an image at the path is replaced.</summary>
    internal bool Force { get; init; }
}
