using PSCrac.Images.Storage;

namespace PSCrac.Stores;

/// <summary>A pages file of an image in a store, as criu wrote it: group after group, decoded as it is read.</summary>
/// <param name="reader">The pages of the image.</param>
/// <param name="file">The file.</param>
internal sealed class StoredPageStream(StoredPageReader reader, StoredPages file) : ForwardStream
{
    private readonly StoredPageReader.Buffers _buffers = new();
    private byte[]? _part;
    private int _next;
    private int _length;
    private int _position;

    public override int Read(Span<byte> buffer)
    {
        if (_position == _length)
        {
            if (_next == file.Groups.Length)
            {
                return 0;
            }

            ref readonly StoredGroup group = ref file.Groups[_next++];
            if (buffer.Length >= group.Length)
            {
                reader.Read(file, group, _buffers, buffer);
                return group.Length;
            }

            _part ??= new byte[PageIndex.GroupSize];
            reader.Read(file, group, _buffers, _part);
            (_length, _position) = (group.Length, 0);
        }

        int count = Math.Min(buffer.Length, _length - _position);
        _part.AsSpan(_position, count).CopyTo(buffer);
        _position += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _buffers.Dispose();
        }

        base.Dispose(disposing);
    }
}
