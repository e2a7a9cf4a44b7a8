using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>Protobuf's wire types; groups (3 and 4) do not occur in images.</summary>
internal enum WireType : byte
{
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// <summary>
/// Reads one protobuf message field by field from the bytes of an image file.
/// Never reads outside the given bytes; errors name the file and the offset.
/// </summary>
internal ref struct ProtobufReader
{
    /// <summary>The most bytes of a text: far above a path, the longest that criu writes.</summary>
    internal const int MaximumStringLength = 1 << 20;

    private readonly ReadOnlySpan<byte> _bytes;
    private readonly ImageFile _file;
    private readonly long _origin;
    private int _position;
    private int _fieldStart;
    private ulong _seen;

    /// <param name="bytes">The message, without its length.</param>
    /// <param name="file">The file of the message, for errors.</param>
    /// <param name="origin">The offset of <paramref name="bytes"/> in the file.</param>
    internal ProtobufReader(ReadOnlySpan<byte> bytes, ImageFile file, long origin)
    {
        _bytes = bytes;
        _file = file;
        _origin = origin;
    }

    /// <summary>The number of the field that <see cref="MoveNext"/> found.</summary>
    internal int Field { get; private set; }

    /// <summary>The wire type of the field's value.</summary>
    internal WireType WireType { get; private set; }

    /// <summary>The offset in the file of the next read.</summary>
    internal readonly long Offset => _origin + _position;

    /// <summary>The offset in the file of the current field's key.</summary>
    internal readonly long FieldOffset => _origin + _fieldStart;

    internal readonly ImageFile File => _file;

    internal readonly bool IsAtEnd => _position >= _bytes.Length;

    /// <summary>Reads the next field's key. The value of the previous field must have been read or skipped.</summary>
    internal bool MoveNext()
    {
        if (_position >= _bytes.Length)
        {
            return false;
        }

        _fieldStart = _position;
        ulong key = ReadVarint();
        uint wire = (uint)key & 7;
        if (wire is 3 or 4 or > 5)
        {
            ImageFault.Corrupt(_file, FieldOffset, $"wire type {wire} is not valid in an image");
        }

        if (key >> 3 is 0 or > 0x1fff_ffff)
        {
            ImageFault.Corrupt(_file, FieldOffset, $"{key >> 3} is not a valid field number");
        }

        Field = (int)(key >> 3);
        WireType = (WireType)wire;
        _seen |= Field < 64 ? 1UL << Field : 0;
        return true;
    }

    /// <summary>
    /// Throws ImageCorrupt if a field that criu requires was not in the message. criu writes none without them, and does not read one.
    /// </summary>
    /// <param name="required">A bit for each field's number, below 64.</param>
    internal readonly void RequireFields(ulong required)
    {
        if ((required & ~_seen) is var missing && missing != 0)
        {
            ImageFault.Corrupt(
                _file,
                _origin,
                $"an entry lacks {BitOperations.PopCount(missing)} of its required fields, the first is field {BitOperations.TrailingZeroCount(missing)}");
        }
    }

    /// <summary>Moves to the next field with a number, over all others.</summary>
    /// <returns>Whether there is one.</returns>
    internal bool MoveTo(int field)
    {
        while (MoveNext())
        {
            if (Field == field)
            {
                return true;
            }

            Skip();
        }

        return false;
    }

    internal ulong ReadUInt64()
    {
        RequireWireType(WireType.Varint);
        return ReadVarint();
    }

    internal uint ReadUInt32() => (uint)ReadUInt64();

    internal long ReadInt64() => (long)ReadUInt64();

    internal int ReadInt32() => (int)ReadUInt64();

    internal bool ReadBool() => ReadUInt64() != 0;

    internal long ReadSInt64()
    {
        ulong raw = ReadUInt64();
        return (long)(raw >> 1) ^ -(long)(raw & 1);
    }

    internal int ReadSInt32() => (int)ReadSInt64();

    internal ulong ReadFixed64()
    {
        RequireWireType(WireType.Fixed64);
        return BinaryPrimitives.ReadUInt64LittleEndian(ReadRaw(8));
    }

    internal uint ReadFixed32()
    {
        RequireWireType(WireType.Fixed32);
        return BinaryPrimitives.ReadUInt32LittleEndian(ReadRaw(4));
    }

    internal ReadOnlySpan<byte> ReadBytes()
    {
        RequireWireType(WireType.Bytes);
        ulong length = ReadVarint();
        if (length > (ulong)(_bytes.Length - _position))
        {
            ImageFault.Corrupt(_file, FieldOffset, $"field {Field} has a length of {length} bytes, but {_bytes.Length - _position} are left");
        }

        return ReadRaw((int)length);
    }

    internal string ReadString()
    {
        ReadOnlySpan<byte> bytes = ReadBytes();
        if (bytes.Length > MaximumStringLength)
        {
            ImageFault.Corrupt(_file, FieldOffset, $"a text has {bytes.Length} bytes, more than the {MaximumStringLength} that are read");
        }

        return Encoding.UTF8.GetString(bytes);
    }

    internal ProtobufReader ReadMessage()
    {
        ReadOnlySpan<byte> bytes = ReadBytes();
        return new ProtobufReader(bytes, _file, Offset - bytes.Length);
    }

    /// <summary>Adds a repeated field's values, packed or not; protobuf allows both.</summary>
    /// <param name="values">The list.</param>
    /// <param name="maximum">The most values that the list may have.</param>
    internal void AddTo(List<uint> values, int maximum)
    {
        ProtobufReader packed = WireType == WireType.Bytes ? ReadMessage() : default;
        if (WireType != WireType.Bytes)
        {
            values.Add(ReadUInt32());
        }

        while (!packed.IsAtEnd && values.Count <= maximum)
        {
            values.Add((uint)packed.ReadVarint());
        }

        RequireAtMost(maximum, values.Count);
    }

    /// <summary>The same for values of 64 bits.</summary>
    internal void AddTo(List<ulong> values, int maximum)
    {
        ProtobufReader packed = WireType == WireType.Bytes ? ReadMessage() : default;
        if (WireType != WireType.Bytes)
        {
            values.Add(ReadUInt64());
        }

        while (!packed.IsAtEnd && values.Count <= maximum)
        {
            values.Add(packed.ReadVarint());
        }

        RequireAtMost(maximum, values.Count);
    }

    private readonly void RequireAtMost(int maximum, int count)
    {
        if (count > maximum)
        {
            ImageFault.Corrupt(_file, FieldOffset, $"field {Field} has more than {maximum} values, the most that are read");
        }
    }

    /// <summary>Skips the current value and returns its encoded bytes, without the key.</summary>
    internal ReadOnlySpan<byte> Skip()
    {
        int start = _position;
        switch (WireType)
        {
            case WireType.Varint:
                ReadVarint();
                break;
            case WireType.Fixed64:
                ReadRaw(8);
                break;
            case WireType.Fixed32:
                ReadRaw(4);
                break;
            default:
                ReadBytes();
                break;
        }

        return _bytes[start.._position];
    }

    /// <summary>Reads a varint without checking the wire type: for packed values.</summary>
    internal ulong ReadVarint()
    {
        ReadOnlySpan<byte> bytes = _bytes;
        int position = _position;
        if ((uint)position < (uint)bytes.Length && bytes[position] < 0x80)
        {
            _position = position + 1;
            return bytes[position];
        }

        return ReadMultiByteVarint();
    }

    /// <summary>Reads eight bytes without checking the wire type: for packed values.</summary>
    internal ulong ReadRawFixed64() => BinaryPrimitives.ReadUInt64LittleEndian(ReadRaw(8));

    /// <summary>Reads four bytes without checking the wire type: for packed values.</summary>
    internal uint ReadRawFixed32() => BinaryPrimitives.ReadUInt32LittleEndian(ReadRaw(4));

    private ulong ReadMultiByteVarint()
    {
        ulong value = 0;
        int position = _position;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if ((uint)position >= (uint)_bytes.Length)
            {
                ImageFault.Corrupt(_file, _origin + _position, "a number extends past the end of its message");
            }

            byte b = _bytes[position++];
            value |= (ulong)(b & 0x7f) << shift;
            if (b < 0x80)
            {
                _position = position;
                return value;
            }
        }

        ImageFault.Corrupt(_file, _origin + _position, "a number is longer than ten bytes");
        return 0;
    }

    private ReadOnlySpan<byte> ReadRaw(int count)
    {
        if (count > _bytes.Length - _position)
        {
            ImageFault.Corrupt(_file, Offset, $"{count} bytes are needed, but {_bytes.Length - _position} are left");
        }

        ReadOnlySpan<byte> raw = _bytes.Slice(_position, count);
        _position += count;
        return raw;
    }

    private readonly void RequireWireType(WireType expected)
    {
        if (WireType != expected)
        {
            ImageFault.Corrupt(_file, FieldOffset, $"field {Field} is encoded as {WireType}, but must be {expected}");
        }
    }
}
