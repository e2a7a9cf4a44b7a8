using System.IO.Compression;

namespace PSCrac.Images.Storage;

/// <summary>How an archive is compressed.</summary>
internal enum ArchiveCompression
{
    None = 0,
    Gzip,
    Zstandard,
}

/// <summary>What the first bytes and the name of an archive tell.</summary>
internal static class ArchiveFormat
{
    /// <summary>How many bytes <see cref="Detect"/> looks at: those of a tar header.</summary>
    internal const int HeadSize = 512;

    /// <summary>The suffix of a tar file.</summary>
    internal const string TarSuffix = ".tar";

    /// <summary>The suffix of what is compressed with zstd.</summary>
    internal const string ZstandardSuffix = ".zst";

    /// <summary>The suffix of what is encrypted with age.</summary>
    internal const string AgeSuffix = ".age";

    private static readonly string[] s_suffixes = [AgeSuffix, ZstandardSuffix, ".gz", TarSuffix, ".tgz", ".tzst", ".zstd"];

    /// <summary>How a tar file is compressed; null if it is no tar file.</summary>
    internal static ArchiveCompression? Detect(ReadOnlySpan<byte> head) => head switch
    {
        [0x1f, 0x8b, ..] => ArchiveCompression.Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ArchiveCompression.Zstandard,
        _ when head.Length == HeadSize && head.Slice(257, 5).SequenceEqual("ustar"u8) => ArchiveCompression.None,
        _ => null,
    };

    /// <summary>Whether a file is encrypted by age (age-encryption.org/v1), as bytes or as text.</summary>
    internal static bool IsEncrypted(ReadOnlySpan<byte> head) => head.StartsWith("age-encryption.org/"u8) || head.StartsWith("-----BEGIN AGE ENCRYPTED FILE-----"u8);

    /// <summary>Decompresses a stream, which the result closes.</summary>
    internal static Stream Decompress(Stream packed, ArchiveCompression compression) => compression switch
    {
        ArchiveCompression.Gzip => new GZipStream(packed, CompressionMode.Decompress),
        ArchiveCompression.Zstandard => new ZstandardStream(packed),
        _ => packed,
    };

    /// <summary>A file's name without the suffixes of archives; never empty.</summary>
    internal static string RemoveSuffixes(string fileName)
    {
        while (Array.Find(s_suffixes, suffix => fileName.Length > suffix.Length && fileName.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)) is { } found)
        {
            fileName = fileName[..^found.Length];
        }

        return fileName;
    }
}
