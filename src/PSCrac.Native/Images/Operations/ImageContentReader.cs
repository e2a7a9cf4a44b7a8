using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Operations;

/// <summary>
/// Decodes the files of an image, whatever criu 4.2 writes, entry by entry. An unknown magic, an unknown field and the
/// bytes of formats that are not criu's own are all given, as what they are.
/// </summary>
internal sealed class ImageContentReader
{
    internal const string UnknownType = "UNKNOWN";
    private readonly ImageSource _source;
    private readonly RecordDecoder _decoder = new();
    private readonly PayloadReader _payload;

    /// <summary>Makes a reader of an image's files.</summary>
    /// <param name="image">The image.</param>
    /// <param name="payloadLimit">
    /// The longest payload, in bytes, that an entry's <c>extra</c> is to hold; 0 for none at all, as <c>crit --nopl</c>.
    /// A longer one is left out there and read through <see cref="CracImageEntry.OpenPayload"/>.
    /// </param>
    internal ImageContentReader(CracImage image, int payloadLimit = 64 << 20)
    {
        ArgumentNullException.ThrowIfNull(image);
        _source = image.Source;
        _payload = new PayloadReader(_decoder, payloadLimit);
    }

    /// <summary>The names of all types of image file, for completion.</summary>
    internal static IReadOnlyList<string> TypeNames { get; } = [.. ImageType.TypeNames.Order(StringComparer.Ordinal)];

    /// <summary>Lists the image's files, with their types; reads no more of each than its magic. A file without a readable magic is "UNKNOWN".</summary>
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

    /// <summary>Decodes the files of some types.</summary>
    /// <param name="types">
    /// What to decode: types ("core", "REG_FILES", "reg-files"), or names of files with or without wildcards ("core-12.img", "fdinfo-*");
    /// empty for everything.
    /// </param>
    /// <returns>The entries, read as they are enumerated, in the order of the files' names.</returns>
    /// <exception cref="CracException">
    /// A file is damaged, or, once all others have been given, the image has no file of a name (FileMissing), or a type is none (OptionRefused).
    /// </exception>
    internal IEnumerable<CracImageEntry> Read(params IReadOnlyList<string> types)
    {
        var met = new bool[types.Count];
        foreach (ImageFileInfo info in _source.Files)
        {
            if (!ImageType.IsImageFile(info.Name) || (types.Count > 0 && !Matches(info, types, met)))
            {
                continue;
            }

            foreach (CracImageEntry entry in ReadFile(info.Name))
            {
                yield return entry;
            }
        }

        RequireSense(types, met);
    }

    /// <summary>Decodes one file.</summary>
    /// <param name="name">The file's name in the image.</param>
    /// <returns>The entries, read as they are enumerated.</returns>
    /// <exception cref="CracException">The file is not there (ImageIncomplete) or is damaged (ImageCorrupt, ImageIncomplete).</exception>
    internal IEnumerable<CracImageEntry> ReadFile(string name)
    {
        ImageFile file = _source.Open(name);
        if (ImageType.OfRawFile(name) is { } raw)
        {
            using (file)
            {
                yield return Whole(file, raw.Name, 0);
            }

            yield break;
        }

        using var entries = new ImageEntryReader(file);
        ImageType? type = ImageType.OfMagic(entries.Magic);
        if (type is null)
        {
            yield return Whole(file, UnknownType, entries.Magic);
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

    /// <summary>A file that is not made of criu's entries, or of entries nobody knows, as one entry.</summary>
    private CracImageEntry Whole(ImageFile file, string type, uint magic)
    {
        CracImageRecord value = type == UnknownType
            ? new CracImageRecord(["magic", "size"], [$"0x{magic:x8}", file.Length])
            : new CracImageRecord(["size"], [file.Length]);
        return new CracImageEntry(_source, file.Name, 0, type, 0, 0, value, 0, file.Length);
    }

    private bool Matches(ImageFileInfo info, IReadOnlyList<string> types, bool[] met)
    {
        string? type = null;
        bool matches = false;
        for (int i = 0; i < types.Count; i++)
        {
            string wanted = types[i];
            if (IsFileName(wanted)
                ? System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(wanted, info.Name, ignoreCase: false)
                : SameType(wanted, type ??= TypeOf(info)) || (type == UnknownType && SameType(wanted, Stem(info.Name))))
            {
                matches = met[i] = true;
            }
        }

        return matches;
    }

    private static bool IsFileName(string wanted) => wanted.AsSpan().ContainsAny('.', '*', '?') || ImageType.IsImageFile(wanted);

    /// <summary>A type that the image has no file of is fine; a word that is no type, or one file's name that is not there, is a mistake.</summary>
    private void RequireSense(IReadOnlyList<string> types, bool[] met)
    {
        for (int i = 0; i < met.Length; i++)
        {
            string wanted = types[i];
            if (met[i] || wanted.AsSpan().ContainsAny('*', '?'))
            {
                continue;
            }

            if (IsFileName(wanted))
            {
                throw new CracException(
                    CracReason.FileMissing, $"The image {_source.Path} has no file {wanted}.", "Name one that it has, or use wildcards: core-*.")
                {
                    ImagePath = _source.Path,
                    FileName = wanted,
                };
            }

            if (!SameType(wanted, UnknownType) && !TypeNames.Any(type => SameType(wanted, type)))
            {
                throw new CracException(
                    CracReason.OptionRefused,
                    $"'{wanted}' is no type of image file.",
                    "Types are core, mm, files, pagemap and the like: Tab completes them after -Type. A file is named with its extension, or with wildcards.")
                {
                    ImagePath = _source.Path,
                };
            }
        }
    }

    private static bool SameType(string wanted, ReadOnlySpan<char> type)
    {
        bool same = wanted.Length == type.Length;
        for (int i = 0; same && i < type.Length; i++)
        {
            same = char.ToUpperInvariant(wanted[i]) == char.ToUpperInvariant(type[i]) || (wanted[i] is '-' or '_' && type[i] is '-' or '_');
        }

        return same;
    }

    /// <summary>A file's name without numbers and extension: what to go by where its magic is damaged.</summary>
    private static ReadOnlySpan<char> Stem(string name)
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
            // Whoever reads the file is told what is wrong with it.
            return UnknownType;
        }
    }
}
