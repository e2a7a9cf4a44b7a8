using System.Buffers;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Manifest;

public sealed partial record ImageManifest
{
    /// <summary>The size limit, in bytes, for hashing a file: sealing must take only milliseconds while the process is frozen.</summary>
    internal const int MaximumHashedSize = 1 << 20;

    // A CRaC JVM's performance counters: it continues to write them after the restore, and their size stays.
    private const string PerformanceData = "perfdata";

    private const int MaximumManifestSize = 16 << 20;

    // A value of two bytes becomes an object. A file has eight tokens.
    private const int MaximumManifestTokens = 6 * NameBudget.MaximumImageFiles;
    private const int UncountedManifestSize = 256 << 10;

    /// <summary>Reads the manifest of the image in a directory.</summary>
    /// <param name="directory">The image's directory.</param>
    /// <returns>The manifest; null if the directory has none: the image was written by criu itself or by a JVM.</returns>
    /// <exception cref="CracException">The manifest is damaged, or of a newer format (ImageCorrupt), or cannot be read (PermissionDenied).</exception>
    internal static ImageManifest? Read(string directory) => Read(new DirectoryImageSource(Path.GetFullPath(directory)));

    /// <summary>Writes the manifest as UTF-8 JSON. The output is deterministic.</summary>
    /// <param name="stream">The target; left open.</param>
    internal void Write(Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, ImageManifestText.WriterOptions);
        JsonSerializer.Serialize(writer, this, ImageManifestJson.Default.ImageManifest);
    }

    /// <summary>Writes the manifest as UTF-8 JSON at the beginning of an open file and truncates the file after it.</summary>
    /// <param name="file">A file open for writing; not synchronized to disk.</param>
    internal void Write(SafeFileHandle file)
    {
        var bytes = new ArrayBufferWriter<byte>(16 << 10);
        using (var writer = new Utf8JsonWriter(bytes, ImageManifestText.WriterOptions))
        {
            JsonSerializer.Serialize(writer, this, ImageManifestJson.Default.ImageManifest);
        }

        RandomAccess.Write(file, bytes.WrittenSpan, 0);
        RandomAccess.SetLength(file, bytes.WrittenCount);
    }

    /// <summary>
    /// Lists a directory's files as a manifest records them: all sizes, and hashes of the small files.
    /// Logs, statistics and the manifest itself are left out, because they change after the image is sealed.
    /// </summary>
    /// <param name="directory">The image's directory.</param>
    /// <returns>The files, ordered by name.</returns>
    internal static IReadOnlyList<ImageManifestFile> Describe(string directory) => Describe(new DirectoryImageSource(Path.GetFullPath(directory)));

    /// <summary>The same for an open directory.</summary>
    internal static IReadOnlyList<ImageManifestFile> Describe(FolderHandle directory) => Describe(new DirectoryImageSource(directory));

    private static List<ImageManifestFile> Describe(DirectoryImageSource source)
    {
        var described = new List<ImageManifestFile>(source.Files.Count);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(64 << 10);
        try
        {
            foreach (ImageFileInfo info in source.Files)
            {
                if (!IsSealed(info.Name))
                {
                    continue;
                }

                if (ImageFileName.IsPages(info.Name) || info.Name == PerformanceData || info.Length > MaximumHashedSize || source.TryOpen(info.Name) is not { } file)
                {
                    described.Add(new ImageManifestFile(info.Name, info.Length, null));
                    continue;
                }

                using (file)
                {
                    described.Add(new ImageManifestFile(info.Name, file.Length, Hash(file, ref buffer)));
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return described;
    }

    /// <summary>Whether a file belongs to the sealed image, rather than being written anew by each operation.</summary>
    internal static bool IsSealed(string name) =>
        name is not (FileName or SignatureFileName or "stats-dump" or "stats-restore")
        && !name.EndsWith(".log", StringComparison.Ordinal)
        && !name.EndsWith(".pid", StringComparison.Ordinal);

    /// <summary>The SHA-256 of a file in lower-case hexadecimal. The buffer is replaced by a larger one from the shared pool if needed.</summary>
    internal static string Hash(ImageFile file, ref byte[] buffer)
    {
        if (file.Length > MaximumHashedSize)
        {
            return HashInParts(file, buffer);
        }

        int length = (int)file.Length;
        if (buffer.Length < length)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = ArrayPool<byte>.Shared.Rent(length);
        }

        file.ReadExactlyAt(0, buffer.AsSpan(0, length));
        Span<byte> digest = stackalloc byte[Sha256.Length];
        Sha256.Hash(buffer.AsSpan(0, length), digest);
        return Convert.ToHexStringLower(digest);
    }

    /// <summary>The SHA-256 of the manifest of an image, in lower-case hexadecimal; null if it has none.</summary>
    internal static string? HashOf(ImageSource source)
    {
        using ImageFile? file = source.TryOpen(FileName);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(64 << 10);
        try
        {
            return file is null || file.Length > MaximumManifestSize ? null : Hash(file, ref buffer);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads the manifest from an image's files; null if there is none.</summary>
    internal static ImageManifest? Read(ImageSource source)
    {
        using ImageFile? file = source.TryOpen(FileName);
        if (file is null)
        {
            return null;
        }

        if (file.Length > MaximumManifestSize)
        {
            ImageFault.Corrupt(file, 0, $"it has {file.Length} bytes, more than any valid manifest");
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)file.Length);
        try
        {
            Span<byte> text = buffer.AsSpan(0, (int)file.Length);
            file.ReadExactlyAt(0, text);
            return Parse(file, text);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads a manifest from its text.</summary>
    /// <param name="file">The file that has it, for messages.</param>
    /// <param name="text">Its content.</param>
    internal static ImageManifest Parse(ImageFile file, ReadOnlySpan<byte> text)
    {
        ImageManifest? manifest = null;
        try
        {
            if (text.Length > UncountedManifestSize)
            {
                RequireFewTokens(file, text);
            }

            manifest = JsonSerializer.Deserialize(text, ImageManifestJson.Default.ImageManifest);
        }
        catch (JsonException e)
        {
            ImageFault.Corrupt(file, OffsetOf(text, e), FirstSentence(e.Message));
        }

        if (manifest is null)
        {
            ImageFault.Corrupt(file, 0, "it is null");
        }

        if (manifest.Format is < 1 or > CurrentFormat)
        {
            throw new CracException(
                CracReason.ImageCorrupt,
                $"The image {file.ImagePath} has a manifest of format {manifest.Format}; this version of PSCrac reads formats up to {CurrentFormat}.",
                "Update PSCrac to the version that took the checkpoint. criu itself restores the image without the manifest.")
            {
                ImagePath = file.ImagePath,
                FileName = file.Name,
                FileOffset = 0,
            };
        }

        return manifest;
    }

    private static void RequireFewTokens(ImageFile file, ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text);
        for (int tokens = 0; reader.Read(); tokens++)
        {
            if (tokens == MaximumManifestTokens)
            {
                ImageFault.Corrupt(file, reader.TokenStartIndex, $"it has more than {MaximumManifestTokens} values, the most that are read");
            }
        }
    }

    private static string HashInParts(ImageFile file, byte[] buffer)
    {
        using var hash = new Sha256();
        for (long offset = 0; offset < file.Length;)
        {
            int part = (int)Math.Min(buffer.Length, file.Length - offset);
            file.ReadExactlyAt(offset, buffer.AsSpan(0, part));
            hash.Append(buffer.AsSpan(0, part));
            offset += part;
        }

        Span<byte> digest = stackalloc byte[Sha256.Length];
        hash.Finish(digest);
        return Convert.ToHexStringLower(digest);
    }

    private static long OffsetOf(ReadOnlySpan<byte> text, JsonException e)
    {
        int start = 0;
        for (long line = e.LineNumber ?? 0; line > 0; line--)
        {
            int end = text[start..].IndexOf((byte)'\n');
            if (end < 0)
            {
                break;
            }

            start += end + 1;
        }

        return Math.Min(text.Length, start + (e.BytePositionInLine ?? 0));
    }

    private static string FirstSentence(string message)
    {
        int end = message.IndexOf(" Path:", StringComparison.Ordinal);
        return (end < 0 ? message : message[..end]).TrimEnd('.', ' ');
    }
}
