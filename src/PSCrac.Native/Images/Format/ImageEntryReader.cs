using System.Buffers;
using System.Buffers.Binary;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>
/// Walks the entries of one image file: after the magic, each is a 32-bit length, a protobuf message of that length and,
/// in some types of file, a payload whose size the message tells. Holds one entry at a time.
/// </summary>
internal sealed class ImageEntryReader : IDisposable
{
    /// <summary>No message of criu's comes near; a longer one is a damaged length, and must not cost its size in memory.</summary>
    internal const int MaximumMessageLength = 64 << 20;

    private const int InitialBuffer = 4096;
    private const int LargeBuffer = 256 << 10;
    private readonly ImageFile _file;
    private byte[] _buffer;
    private long _bufferOffset;
    private int _bufferLength;
    private long _position;
    private long _messageOffset;
    private int _messageLength;

    /// <summary>Opens the file's entries, whatever its magic is.</summary>
    internal ImageEntryReader(ImageFile file)
    {
        _file = file;
        _buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(file.Length, InitialBuffer, LargeBuffer));
        uint first = ReadUInt32("the magic");
        if (first is ImageType.CommonPrefix or ImageType.ServicePrefix)
        {
            Prefix = first;
            first = ReadUInt32("the second magic");
        }

        Magic = first;
    }

    /// <summary>Opens the file's entries, and throws ImageCorrupt where it is of another type.</summary>
    internal ImageEntryReader(ImageFile file, ImageType type)
        : this(file)
    {
        if (Magic != type.Magic)
        {
            Dispose();
            ImageFault.Corrupt(
                file,
                Prefix == 0 ? 0 : 4,
                $"its magic is 0x{Magic:x8} ({ImageType.OfMagic(Magic)?.Name ?? "unknown"}), but it should be 0x{type.Magic:x8} ({type.Name})");
        }
    }

    /// <summary>What stands before the magic since image format 1.1: the common or the service prefix, or 0 where neither does.</summary>
    internal uint Prefix { get; }

    /// <summary>What the file's entries are.</summary>
    internal uint Magic { get; }

    /// <summary>The number of the current entry, from 0; -1 before the first.</summary>
    internal int Index { get; private set; } = -1;

    /// <summary>The current entry's message. Valid until the reader moves or reads on.</summary>
    internal ReadOnlySpan<byte> Message => _buffer.AsSpan((int)(_messageOffset - _bufferOffset), _messageLength);

    /// <summary>The offset of the current message in the file.</summary>
    internal long MessageOffset => _messageOffset;

    /// <summary>The offset of what is read next.</summary>
    internal long Position => _position;

    internal ImageFile File => _file;

    internal bool AtEnd => _position >= _file.Length;

    internal ProtobufReader Reader => new(Message, _file, _messageOffset);

    /// <summary>Goes to the next entry; false at the end of the file.</summary>
    internal bool MoveNext()
    {
        bool moved = MoveWithin();
        Index += moved ? 1 : 0;
        return moved;
    }

    /// <summary>Goes to a message that is part of the current entry's payload; false at the end of the file.</summary>
    internal bool MoveWithin()
    {
        if (_position >= _file.Length)
        {
            return false;
        }

        long start = _position;
        uint length = ReadUInt32("the length of an entry");
        if (length > _file.Length - _position)
        {
            ImageFault.CutShort(_file, start, $"an entry of {length} bytes is announced");
        }

        if (length > MaximumMessageLength)
        {
            ImageFault.Corrupt(_file, start, $"an entry of {length} bytes is announced, more than any image has");
        }

        Require((int)length);
        _messageOffset = _position;
        _messageLength = (int)length;
        _position += length;
        return true;
    }

    /// <summary>Goes to the first entry, or throws ImageIncomplete where there is none.</summary>
    internal void MoveToFirst()
    {
        if (!MoveNext())
        {
            ImageFault.CutShort(_file, _position, "an entry is wanted");
        }
    }

    /// <summary>Passes over payload; throws ImageIncomplete where the file does not have that much.</summary>
    internal void SkipPayload(long length)
    {
        if (length < 0 || length > _file.Length - _position)
        {
            ImageFault.CutShort(_file, _position, $"{(ulong)length} bytes of payload are announced");
        }

        _position += length;
    }

    public void Dispose()
    {
        if (_buffer.Length != 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
            _bufferLength = 0;
            _file.Dispose();
        }
    }

    private uint ReadUInt32(string what)
    {
        if (_file.Length - _position < sizeof(uint))
        {
            ImageFault.CutShort(_file, _position, $"{what} is wanted");
        }

        Require(sizeof(uint));
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan((int)(_position - _bufferOffset)));
        _position += sizeof(uint);
        return value;
    }

    /// <summary>Makes the next bytes be in the buffer. The caller has seen that the file is that long.</summary>
    private void Require(int count)
    {
        long buffered = _bufferOffset + _bufferLength - _position;
        if (_position >= _bufferOffset && buffered >= count)
        {
            return;
        }

        int kept = 0;
        byte[] target = count > _buffer.Length ? ArrayPool<byte>.Shared.Rent(count) : _buffer;
        if (buffered > 0 && _position >= _bufferOffset)
        {
            kept = (int)buffered;
            Buffer.BlockCopy(_buffer, (int)(_position - _bufferOffset), target, 0, kept);
        }

        if (!ReferenceEquals(target, _buffer))
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = target;
        }

        _bufferOffset = _position;
        _bufferLength = kept;
        while (_bufferLength < count)
        {
            int read = _file.ReadAt(_bufferOffset + _bufferLength, _buffer.AsSpan(_bufferLength));
            if (read <= 0)
            {
                ImageFault.CutShort(_file, _position, $"{count} bytes are wanted");
            }

            _bufferLength += read;
        }
    }
}
