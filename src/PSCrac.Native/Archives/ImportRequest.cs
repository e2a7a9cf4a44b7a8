namespace PSCrac.Archives;

/// <summary>Which archive, or folder of someone else's, becomes which image, and how.</summary>
internal sealed record ImportRequest
{
    /// <summary>The full path of the archive, or of the folder of an image.</summary>
    internal required string SourcePath { get; init; }

    /// <summary>The full path of the image.</summary>
    internal required string ImagePath { get; init; }

    /// <summary>The full paths of files with identities, for an encrypted archive.</summary>
    internal IReadOnlyList<string> Identities { get; init; } = [];

    /// <summary>The most bytes that the image may have; null for what the file system of the image has room for.</summary>
    internal long? MaximumSize { get; init; }

    /// <summary>Whether an allowed signer must have signed it. A signature that is there and not of the image is always refused.</summary>
    internal bool RequireSignature { get; init; }

    /// <summary>The full path of the file that says whose signatures count; null for the usual one.</summary>
    internal string? AllowedSigners { get; init; }

    /// <summary>Whether an image at the path is replaced.</summary>
    internal bool Force { get; init; }
}
