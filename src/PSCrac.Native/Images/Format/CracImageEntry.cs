using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>
/// One decoded entry of an image file: its fields by criu's names and, in <c>extra</c>, the payload after the message, as
/// <c>crit decode</c> shows them. A payload above the reader's limit is left out; <see cref="OpenPayload"/> reads it.
/// In PowerShell, a field hides a property of the same name.
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
    /// criu's and crit's name for the file's type, such as "REG_FILES"; "UNKNOWN" for a magic that criu 4.2 does not know;
    /// for a file in another format, criu's name for the file ("PAGES", "ROUTE", "TMPFS_IMG").
    /// </summary>
    public string FileType { get; }

    /// <summary>The offset of the entry's message in the file, in bytes.</summary>
    public long Offset { get; }

    /// <summary>The offset of the payload after the message in the file, in bytes; meaningless if there is none.</summary>
    public long PayloadOffset { get; }

    /// <summary>The length of the payload after the message, in bytes; 0 for most types.</summary>
    public long PayloadLength { get; }

    /// <summary>Reads the entry's message as stored in the file: protobuf bytes; empty for a file in another format.</summary>
    /// <exception cref="CracException">The file is missing or has changed.</exception>
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

    /// <summary>Opens the payload after the message, or the whole content of a file in another format, for reading.</summary>
    /// <returns>A stream of <see cref="PayloadLength"/> bytes; dispose it after use.</returns>
    /// <exception cref="CracException">The file is missing.</exception>
    public Stream OpenPayload() => new ImageFileStream(_source.Open(File), PayloadOffset, PayloadLength);

    /// <inheritdoc/>
    public override string ToString() => $"{File}[{Index}]";
}
