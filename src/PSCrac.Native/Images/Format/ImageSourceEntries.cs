using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>Opens and decodes the entries of an image's files, from a directory or an archive.</summary>
internal static class ImageSourceEntries
{
    /// <summary>Opens the entries of a required file.</summary>
    internal static ImageEntryReader OpenEntries(this ImageSource source, string name, ImageType type) => new(source.Open(name), type);

    /// <summary>Opens the entries of a file; null if there is no such file.</summary>
    internal static ImageEntryReader? TryOpenEntries(this ImageSource source, string name, ImageType type) =>
        source.TryOpen(name) is { } file ? new ImageEntryReader(file, type) : null;

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
            yield return decoder.Decode(entries.Reader, message);
        }
    }
}
