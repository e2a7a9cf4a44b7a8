using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace PSCrac.Starting.Fingerprints;

/// <summary>
/// The Class-Path of a jar's manifest (JAR File Specification). The manifest is one of a jar's first entries; only these are
/// read, since reading the central directory of a large jar would slow down a restore.
/// </summary>
internal static class JarManifest
{
    private const string Name = "META-INF/MANIFEST.MF";
    private const string ClassPath = "Class-Path:";
    private const uint LocalHeader = 0x04034b50;
    private const int LocalHeaderSize = 30;
    private const int MaximumEntries = 4;
    private const int MaximumText = 64 << 10;

    /// <summary>Its entries, relative to the jar's folder; empty where there are none, or the file is not a jar.</summary>
    internal static IReadOnlyList<string> ReadClassPath(string jar)
    {
        try
        {
            if (!FileFingerprint.TryStat(jar, out _))
            {
                return [];
            }

            using FileStream file = File.OpenRead(jar);
            return Read(file) is { } text ? Parse(text) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return [];
        }
    }

    // PKWARE's APPNOTE.TXT, 4.3.7: a local header, the name, an extra field, the data.
    private static string? Read(FileStream file)
    {
        Span<byte> header = stackalloc byte[LocalHeaderSize];
        for (int i = 0; i < MaximumEntries; i++)
        {
            if (file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) < header.Length || BinaryPrimitives.ReadUInt32LittleEndian(header) != LocalHeader)
            {
                return null;
            }

            bool hasSize = (header[6] & 8) == 0;
            int method = BinaryPrimitives.ReadUInt16LittleEndian(header[8..]);
            uint size = BinaryPrimitives.ReadUInt32LittleEndian(header[18..]);
            byte[] name = new byte[BinaryPrimitives.ReadUInt16LittleEndian(header[26..])];
            file.ReadExactly(name);
            file.Seek(BinaryPrimitives.ReadUInt16LittleEndian(header[28..]), SeekOrigin.Current);
            if (Encoding.UTF8.GetString(name).Equals(Name, StringComparison.OrdinalIgnoreCase))
            {
                return ReadText(file, method, hasSize ? size : MaximumText);
            }

            if (!hasSize)
            {
                // Only the central directory has the size. A folder has no data.
                if (name is not [.., (byte)'/'])
                {
                    return null;
                }

                size = 0;
                SkipDescriptor(file);
            }

            file.Seek(size, SeekOrigin.Current);
        }

        return null;
    }

    // Some writers put a data descriptor, with a signature, after a folder's header too.
    private static void SkipDescriptor(FileStream file)
    {
        const uint Descriptor = 0x08074b50;
        const int DescriptorSize = 16;
        Span<byte> signature = stackalloc byte[sizeof(uint)];
        long position = file.Position;
        bool hasSignature = file.ReadAtLeast(signature, signature.Length, throwOnEndOfStream: false) == signature.Length
            && BinaryPrimitives.ReadUInt32LittleEndian(signature) == Descriptor;
        file.Position = hasSignature ? position + DescriptorSize : position;
    }

    private static string? ReadText(FileStream file, int method, uint size)
    {
        const int Stored = 0;
        const int Deflated = 8;
        byte[] text = ArrayPool<byte>.Shared.Rent(MaximumText);
        try
        {
            Span<byte> room = text.AsSpan(0, MaximumText);
            if (method == Stored)
            {
                room = room[..(int)Math.Min(size, MaximumText)];
                return Encoding.UTF8.GetString(room[..file.ReadAtLeast(room, room.Length, throwOnEndOfStream: false)]);
            }

            if (method != Deflated)
            {
                return null;
            }

            using var inflated = new DeflateStream(file, CompressionMode.Decompress, leaveOpen: true);
            return Encoding.UTF8.GetString(room[..inflated.ReadAtLeast(room, room.Length, throwOnEndOfStream: false)]);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(text);
        }
    }

    private static List<string> Parse(string manifest)
    {
        var found = new List<string>();

        // A line continues in the next one, after a blank. The main section ends with an empty line.
        string text = manifest.Replace("\r\n", "\n", StringComparison.Ordinal).Replace("\n ", string.Empty, StringComparison.Ordinal);
        foreach (string line in text.Split('\n'))
        {
            if (line.Length == 0)
            {
                break;
            }

            if (line.StartsWith(ClassPath, StringComparison.OrdinalIgnoreCase))
            {
                foreach (string entry in line[ClassPath.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries))
                {
                    string path = entry.StartsWith("file:", StringComparison.Ordinal) ? entry["file:".Length..] : entry;
                    found.Add(Uri.UnescapeDataString(path));
                }
            }
        }

        return found;
    }
}
