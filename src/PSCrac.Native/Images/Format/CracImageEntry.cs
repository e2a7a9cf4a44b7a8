using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>
/// One entry of an image file, decoded: its fields with criu's names and, as <c>extra</c>, what follows the message, as
/// <c>crit decode</c> gives them. Payload longer than the reader's limit is not in it; <see cref="OpenPayload"/> reads it.
/// A field's name wins over a property of the same name where PowerShell looks one up.
/// </summary>
public sealed class CracImageEntry : CracImageRecord
{
    private readonly ImageSource _source;
    private readonly int _length;

    internal CracImageEntry(ImageSource source, string file, int index, string type, long offset, int length, CracImageRecord value, long payloadOffset, long payloadLength)
        : base(value)
    {
        _source = source;
        _length = length;
        File = file;
        Index = index;
        FileType = type;
        Offset = offset;
        PayloadOffset = payloadOffset;
        PayloadLength = payloadLength;
    }

    /// <summary>The name of the file, such as "core-12.img".</summary>
    public string File { get; }

    /// <summary>The entry's number in the file, from 0.</summary>
    public int Index { get; }

    /// <summary>
    /// criu's and crit's name of the file's type, such as "REG_FILES"; "UNKNOWN" for a magic that criu 4.2 does not know,
    /// and the name criu gives the file where the format is not criu's own ("PAGES", "ROUTE", "TMPFS_IMG").
    /// </summary>
    public string FileType { get; }

    /// <summary>Where the entry's message begins in the file, in bytes.</summary>
    public long Offset { get; }

    /// <summary>Where the bytes that follow the message begin in the file; meaningless where there are none.</summary>
    public long PayloadOffset { get; }

    /// <summary>How many bytes follow the message; 0 for most types.</summary>
    public long PayloadLength { get; }

    /// <summary>Reads the entry's message as it is in the file: protobuf bytes; empty for a file in another format.</summary>
    /// <exception cref="CracException">The file is gone, or has changed.</exception>
    public byte[] GetRawBytes()
    {
        if (_length == 0)
        {
            return [];
        }

        using ImageFile file = _source.Open(File);
        byte[] bytes = new byte[_length];
        file.ReadExactlyAt(Offset, bytes);
        return bytes;
    }

    /// <summary>Opens the bytes that follow the message, or the whole of a file in another format, for reading.</summary>
    /// <returns>A stream of <see cref="PayloadLength"/> bytes, to be disposed of.</returns>
    /// <exception cref="CracException">The file is gone.</exception>
    public Stream OpenPayload() => new ImageFileStream(_source.Open(File), PayloadOffset, PayloadLength);

    /// <inheritdoc/>
    public override string ToString() => $"{File}[{Index}]";
}
