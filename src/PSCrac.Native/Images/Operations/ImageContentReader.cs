using PSCrac.Common;
using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Operations;

/// <summary>
/// Decodes all files that criu 4.2 writes, entry by entry. Files with an unknown magic, unknown fields and
/// files in other formats are returned too, marked as such.
/// </summary>
internal sealed class ImageContentReader
{
    internal const string UnknownType = "UNKNOWN";
    private readonly ImageSource _source;
    private readonly RecordDecoder _decoder = new();
    private readonly PayloadReader _payload;
    private readonly CancellationToken _cancellation;

    /// <summary>Creates a reader for an image's files.</summary>
    /// <param name="image">The image.</param>
    /// <param name="payloadLimit">
    /// The maximum payload, in bytes, that is decoded into an entry's <c>extra</c>; 0 for none, as <c>crit --nopl</c>.
    /// A longer payload is read with <see cref="CracImageEntry.OpenPayload"/>.
    /// </param>
    /// <param name="cancellation">Cancels the enumeration of entries.</param>
    internal ImageContentReader(CracImage image, int payloadLimit = 64 << 20, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        _source = image.Source;
        _cancellation = cancellation;
        _payload = new PayloadReader(_decoder, payloadLimit);
    }

    /// <summary>The names of all types of image file, for completion.</summary>
    internal static IReadOnlyList<string> TypeNames { get; } = [.. ImageType.TypeNames.Order(StringComparer.Ordinal)];

    /// <summary>Lists the image's files with their types. Reads only the magic of each file; a file without a readable magic is "UNKNOWN".</summary>
    internal IEnumerable<(string File, string Type)> ListFiles()
    {
        foreach (ImageFileInfo info in _source.Files)
        {
            if (ImageType.IsImageFile(info.Name))
            {
                yield return (info.Name, TypeOf(info));
            }
        }
    }

    /// <summary>Decodes selected files.</summary>
    /// <param name="types">
    /// File types ("core", "REG_FILES", "reg-files") or file names, with or without wildcards ("core-12.img", "fdinfo-*");
    /// empty for all files.
    /// </param>
    /// <returns>The entries, read as they are enumerated, ordered by file name.</returns>
    /// <exception cref="CracException">
    /// A file is damaged. After all other entries: the image has no file with a given name (FileMissing), or a type is not known (OptionRefused).
    /// </exception>
    internal IEnumerable<CracImageEntry> Read(params IReadOnlyList<string> types) =>
        ReadAll(types).WithContext(CracOperation.Read, _source.Path);

    private IEnumerable<CracImageEntry> ReadAll(IReadOnlyList<string> types)
    {
        var found = new bool[types.Count];
        foreach (ImageFileInfo info in _source.Files)
        {
            if (!ImageType.IsImageFile(info.Name) || (types.Count > 0 && !Matches(info, types, found)))
            {
                continue;
            }

            foreach (CracImageEntry entry in ReadFile(info.Name))
            {
                yield return entry;
            }
        }

        RequireKnownTypes(types, found);
    }

    /// <summary>Decodes one file.</summary>
    /// <param name="name">The file's name in the image.</param>
    /// <returns>The entries, read as they are enumerated.</returns>
    /// <exception cref="CracException">The file is missing (ImageIncomplete) or damaged (ImageCorrupt, ImageIncomplete).</exception>
    internal IEnumerable<CracImageEntry> ReadFile(string name)
    {
        ImageFile file = _source.Open(name, _cancellation);
        if (ImageType.OfRawFile(name) is { } raw)
        {
            using (file)
            {
                yield return CreateWholeFileEntry(file, raw.Name, 0);
            }

            yield break;
        }

        using var entries = new ImageEntryReader(file);
        ImageType? type = ImageType.OfMagic(entries.Magic);
        if (type is null)
        {
            yield return CreateWholeFileEntry(file, UnknownType, entries.Magic);
            yield break;
        }

        SchemaMessage rest = ImageSchema.Get(type.Message!);
        SchemaMessage message = type.First is null ? rest : ImageSchema.Get(type.First);
        while (entries.MoveNext())
        {
            CracImageEntry entry = ReadEntry(entries, type, message);
            if (entry.Index == 0)
            {
                message = type.Payload == PayloadKind.Ghost && PayloadReader.IsChunked(entry) ? ImageSchema.Get("ghost_chunk_entry") : rest;
            }

            yield return entry;
        }
    }

    private CracImageEntry ReadEntry(ImageEntryReader entries, ImageType type, SchemaMessage message)
    {
        long offset = entries.MessageOffset;
        int length = entries.Message.Length;
        CracImageRecord value = _payload.Read(entries, type.Payload, message);
        return new CracImageEntry(
            _source, entries.File.Name, entries.Index, type.Name, offset, length, value, offset + length, entries.Position - offset - length);
    }

    /// <summary>Creates one entry for a whole file that is not in criu's format, or is of an unknown type.</summary>
    private CracImageEntry CreateWholeFileEntry(ImageFile file, string type, uint magic)
    {
        CracImageRecord value = type == UnknownType
            ? new CracImageRecord(["magic", "size"], [$"0x{magic:x8}", file.Length])
            : new CracImageRecord(["size"], [file.Length]);
        return new CracImageEntry(_source, file.Name, 0, type, 0, 0, value, 0, file.Length);
    }

    private bool Matches(ImageFileInfo info, IReadOnlyList<string> types, bool[] found)
    {
        string? type = null;
        bool matches = false;
        for (int i = 0; i < types.Count; i++)
        {
            string wanted = types[i];
            if (IsFileName(wanted)
                ? System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(wanted, info.Name, ignoreCase: false)
                : IsSameType(wanted, type ??= TypeOf(info)) || (type == UnknownType && IsSameType(wanted, GetStem(info.Name))))
            {
                matches = found[i] = true;
            }
        }

        return matches;
    }

    private static bool IsFileName(string wanted) => wanted.AsSpan().ContainsAny('.', '*', '?') || ImageType.IsImageFile(wanted);

    /// <summary>Throws for a value that is not a type, and for the name of a missing file. A type without files is not an error.</summary>
    private void RequireKnownTypes(IReadOnlyList<string> types, bool[] found)
    {
        for (int i = 0; i < found.Length; i++)
        {
            string wanted = types[i];
            if (found[i] || wanted.AsSpan().ContainsAny('*', '?'))
            {
                continue;
            }

            if (IsFileName(wanted))
            {
                throw new CracException(
                    CracReason.FileMissing, $"The image {_source.Path} has no file {wanted}.", "Name a file of the image, or use wildcards: core-*.")
                {
                    FileName = wanted,
                };
            }

            if (!IsSameType(wanted, UnknownType) && !TypeNames.Any(type => IsSameType(wanted, type)))
            {
                throw new CracException(
                    CracReason.OptionRefused,
                    $"'{wanted}' is not a type of image file.",
                    "Give a type, such as core, mm, files or pagemap (Tab completes them after -Type), or a file name with its extension or with wildcards.");
            }
        }
    }

    private static bool IsSameType(string wanted, ReadOnlySpan<char> type)
    {
        bool same = wanted.Length == type.Length;
        for (int i = 0; same && i < type.Length; i++)
        {
            same = char.ToUpperInvariant(wanted[i]) == char.ToUpperInvariant(type[i]) || (wanted[i] is '-' or '_' && type[i] is '-' or '_');
        }

        return same;
    }

    /// <summary>A file's name without number and extension, used as its type if the magic is damaged.</summary>
    private static ReadOnlySpan<char> GetStem(string name)
    {
        ReadOnlySpan<char> stem = name.AsSpan(0, Math.Max(0, name.IndexOf('.')));
        int dash = stem.LastIndexOf('-');
        return dash > 0 && stem[(dash + 1)..].IndexOfAnyExceptInRange('0', '9') < 0 ? stem[..dash] : stem;
    }

    private string TypeOf(ImageFileInfo info)
    {
        if (ImageType.OfRawFile(info.Name) is { } raw)
        {
            return raw.Name;
        }

        try
        {
            using ImageFile file = _source.Open(info.Name);
            using var entries = new ImageEntryReader(file);
            return ImageType.OfMagic(entries.Magic)?.Name ?? UnknownType;
        }
        catch (CracException)
        {
            // Reading the file reports the damage.
            return UnknownType;
        }
    }
}
