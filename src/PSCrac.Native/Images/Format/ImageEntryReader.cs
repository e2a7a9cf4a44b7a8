using System.Buffers;
using System.Buffers.Binary;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>
/// Reads the entries of one image file in order: after the magic, each is a 32-bit length, a protobuf message of that length and,
/// in some file types, a payload whose size the message states. Buffers one entry at a time.
/// </summary>
internal sealed class ImageEntryReader : IDisposable
{
    /// <summary>The limit for a message, in bytes: far above any of criu's. A larger length is damage and must not be allocated.</summary>
    internal const int MaximumMessageLength = 64 << 20;

    /// <summary>The limit for the number of messages in a file: a pagemap of 64 GiB of memory whose every other page was dumped has half as many.</summary>
    internal const int MaximumMessages = 1 << 24;

    // criu writes none but for a namespace without settings: they are what a hole in the file looks like.
    private const int MaximumEmptyMessages = 1 << 16;
    private const int InitialBuffer = 4096;
    private const int LargeBuffer = 256 << 10;
    private readonly ImageFile _file;
    private byte[] _buffer;
    private long _bufferOffset;
    private int _bufferLength;
    private long _position;
    private long _messageOffset;
    private int _messageLength;
    private int _messages;
    private int _emptyMessages;

    /// <summary>Opens a file of any type.</summary>
    internal ImageEntryReader(ImageFile file)
    {
        _file = file;
        _buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(file.Length, InitialBuffer, LargeBuffer));
        uint first = ReadUInt32("the magic");
        if (first is ImageType.CommonPrefix or ImageType.ServicePrefix)
        {
            Prefix = first;
            first = ReadUInt32("the magic after the prefix");
        }

        Magic = first;
    }

    /// <summary>Opens a file of one type; throws ImageCorrupt if its magic is another.</summary>
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

    /// <summary>The prefix before the magic since image format 1.1: common or service; 0 if there is none.</summary>
    internal uint Prefix { get; }

    /// <summary>The file's magic, which determines the type of its entries.</summary>
    internal uint Magic { get; }

    /// <summary>The number of the current entry, from 0; -1 before the first.</summary>
    internal int Index { get; private set; } = -1;

    /// <summary>The current entry's message. Valid until the next call that moves or reads.</summary>
    internal ReadOnlySpan<byte> Message => _buffer.AsSpan((int)(_messageOffset - _bufferOffset), _messageLength);

    /// <summary>The offset of the current message in the file.</summary>
    internal long MessageOffset => _messageOffset;

    /// <summary>The offset of the next read.</summary>
    internal long Position => _position;

    internal ImageFile File => _file;

    internal bool IsAtEnd => _position >= _file.Length;

    internal ProtobufReader Reader => new(Message, _file, _messageOffset);

    /// <summary>Reads the next entry; false at the end of the file.</summary>
    internal bool MoveNext()
    {
        bool moved = MoveToNestedMessage();
        Index += moved ? 1 : 0;
        return moved;
    }

    /// <summary>Reads a message that is part of the current entry's payload; false at the end of the file.</summary>
    internal bool MoveToNestedMessage()
    {
        if (_position >= _file.Length)
        {
            return false;
        }

        _file.Cancellation.ThrowIfCancellationRequested();
        long start = _position;
        if (++_messages > MaximumMessages)
        {
            ImageFault.Corrupt(_file, start, $"it has more than {MaximumMessages} entries, the most that are read");
        }

        uint length = ReadUInt32("the length of an entry");
        if (length > _file.Length - _position)
        {
            ImageFault.Truncated(_file, start, $"an entry has a length of {length} bytes");
        }

        if (length > MaximumMessageLength)
        {
            ImageFault.Corrupt(_file, start, $"an entry has a length of {length} bytes, more than any valid one");
        }

        if (length == 0 && ++_emptyMessages > MaximumEmptyMessages)
        {
            ImageFault.Corrupt(_file, start, $"it has more than {MaximumEmptyMessages} empty entries, as a hole in it would");
        }

        EnsureBuffered((int)length);
        _messageOffset = _position;
        _messageLength = (int)length;
        _position += length;
        return true;
    }

    /// <summary>Reads the first entry; throws ImageIncomplete if there is none.</summary>
    internal void MoveToFirst()
    {
        if (!MoveNext())
        {
            ImageFault.Truncated(_file, _position, "an entry is expected");
        }
    }

    /// <summary>Skips the payload; throws ImageIncomplete if the file is shorter.</summary>
    internal void SkipPayload(long length)
    {
        if (length < 0 || length > _file.Length - _position)
        {
            ImageFault.Truncated(_file, _position, $"a payload of {(ulong)length} bytes is expected");
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
            ImageFault.Truncated(_file, _position, $"{what} is expected");
        }

        EnsureBuffered(sizeof(uint));
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan((int)(_position - _bufferOffset)));
        _position += sizeof(uint);
        return value;
    }

    /// <summary>Fills the buffer with the next bytes. The caller has checked that the file is long enough.</summary>
    private void EnsureBuffered(int count)
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
                ImageFault.Truncated(_file, _position, $"{count} bytes are expected");
            }

            _bufferLength += read;
        }
    }
}
