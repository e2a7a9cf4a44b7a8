using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>The entries of an image's files, whatever the files come from.</summary>
internal static class ImageSourceEntries
{
    /// <summary>Opens the entries of a file that the image must have.</summary>
    internal static ImageEntryReader OpenEntries(this ImageSource source, string name, ImageType type) => new(source.Open(name), type);

    /// <summary>Opens the entries of a file; null where there is none of that name.</summary>
    internal static ImageEntryReader? TryOpenEntries(this ImageSource source, string name, ImageType type) =>
        source.TryOpen(name) is { } file ? new ImageEntryReader(file, type) : null;

    /// <summary>Decodes the entries of a file of messages without payload; none where there is no such file.</summary>
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
            yield return decoder.Decode(entries.Reader, message);
        }
    }
}
