using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>Opens and decodes the entries of an image's files, from a directory or an archive.</summary>
internal static class ImageSourceEntries
{
    /// <summary>The most entries of a file that are kept in memory as records.</summary>
    internal const int MaximumRecords = 1 << 20;

    /// <summary>Opens the entries of a required file.</summary>
    internal static ImageEntryReader OpenEntries(this ImageSource source, string name, ImageType type, CancellationToken cancellation = default) =>
        new(source.Open(name, cancellation), type);

    /// <summary>Opens the entries of a file; null if there is no such file.</summary>
    internal static ImageEntryReader? TryOpenEntries(this ImageSource source, string name, ImageType type, CancellationToken cancellation = default) =>
        source.TryOpen(name, cancellation) is { } file ? new ImageEntryReader(file, type) : null;

    /// <summary>Decodes the entries of a file whose type has no payload; none if there is no such file.</summary>
    internal static IEnumerable<CracImageRecord> ReadRecords(this ImageSource source, string name, ImageType type)
    {
        using ImageEntryReader? entries = source.TryOpenEntries(name, type);
        if (entries is null)
        {
            yield break;
        }

        var decoder = new RecordDecoder();
        SchemaMessage message = ImageSchema.Get(type.Message!);
        while (entries.MoveNext())
        {
            if (entries.Index == MaximumRecords)
            {
                ImageFault.Corrupt(entries.File, entries.MessageOffset, $"it has more than {MaximumRecords} entries, the most that are kept");
            }

            yield return decoder.Decode(entries.Reader, message);
        }
    }
}
