using System.Globalization;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.CoreDumps;

/// <summary>The content of a file that had no name at the checkpoint, which the image has: all of it, or its parts between holes.</summary>
internal sealed class GhostFile : IDisposable
{
    private readonly ImageFile _file;
    private readonly List<Part> _parts;

    private GhostFile(ImageFile file, List<Part> parts, long length)
    {
        _file = file;
        _parts = parts;
        Length = length;
    }

    /// <summary>The length of the file, in bytes.</summary>
    internal long Length { get; }

    /// <param name="Offset">The offset in the file.</param>
    /// <param name="Length">The length, in bytes.</param>
    /// <param name="Position">Where it is in the file of the image.</param>
    private readonly record struct Part(long Offset, long Length, long Position);

    /// <summary>Opens it; null if the image does not have it.</summary>
    /// <param name="source">The image.</param>
    /// <param name="number">The number in its name.</param>
    internal static GhostFile? TryOpen(ImageSource source, uint number)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"ghost-file-{number:x}.img");
        using ImageEntryReader? entries = source.TryOpenEntries(name, ImageType.GhostFile);
        if (entries is null || !entries.MoveNext())
        {
            return null;
        }

        var decoder = new RecordDecoder();
        CracImageRecord ghost = decoder.Decode(entries.Reader, ImageSchema.Get(ImageType.GhostFile.Message!));
        var parts = new List<Part>();
        if (PayloadReader.IsChunked(ghost))
        {
            while (entries.MoveNext())
            {
                CracImageRecord chunk = decoder.Decode(entries.Reader, ImageSchema.Get("ghost_chunk_entry"));
                var part = new Part((long)chunk.GetNumber("off"), (long)chunk.GetNumber("len"), entries.Position);
                entries.SkipPayload(part.Length);
                parts.Add(part);
            }
        }
        else
        {
            parts.Add(new Part(0, entries.File.Length - entries.Position, entries.Position));
        }

        long length = ghost.ContainsKey("size") ? (long)ghost.GetNumber("size") : parts.Count == 0 ? 0 : parts[^1].Offset + parts[^1].Length;
        return new GhostFile(source.Open(name), parts, length);
    }

    /// <summary>Reads a part; holes, and what is behind the end, are zeros.</summary>
    internal void Read(long offset, Span<byte> buffer)
    {
        buffer.Clear();
        foreach (Part part in _parts)
        {
            long start = Math.Max(offset, part.Offset);
            long end = Math.Min(offset + buffer.Length, part.Offset + part.Length);
            if (start < end)
            {
                _file.ReadExactlyAt(part.Position + (start - part.Offset), buffer.Slice((int)(start - offset), (int)(end - start)));
            }
        }
    }

    public void Dispose() => _file.Dispose();
}
