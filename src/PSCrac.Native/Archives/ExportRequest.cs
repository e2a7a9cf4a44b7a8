namespace PSCrac.Archives;

/// <summary>Which image is written to which archive, and how.</summary>
internal sealed record ExportRequest
{
    /// <summary>The image.</summary>
    internal required CracImage Image { get; init; }

    /// <summary>The full path of the archive.</summary>
    internal required string DestinationPath { get; init; }

    /// <summary>How it is compressed.</summary>
    internal CracArchiveCompression Compression { get; init; }

    /// <summary>The level of the compression, from 1 to <see cref="ZstandardWriter.MaximumLevel"/>.</summary>
    internal int CompressionLevel { get; init; } = ZstandardWriter.DefaultLevel;

    /// <summary>Who can decrypt it; null where it is not encrypted.</summary>
    internal AgeRecipients? Recipients { get; init; }

    /// <summary>Whether a file at the path is replaced.</summary>
    internal bool Force { get; init; }
}
