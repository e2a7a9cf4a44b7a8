using System.Buffers.Binary;
using System.Text;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Format;

/// <summary>The four ways protobuf puts a value on the wire; groups (3 and 4) are in no image.</summary>
internal enum WireType : byte
{
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// <summary>
/// Reads one protobuf message, field by field, straight from the bytes of an image file.
/// Whatever the bytes say, it stays within them, and says which file and offset were wrong.
/// </summary>
internal ref struct ProtobufReader
{
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly ImageFile _file;
    private readonly long _origin;
    private int _position;
    private int _fieldStart;

    /// <param name="bytes">The message, without its length.</param>
    /// <param name="file">Where the message is from, for errors.</param>
    /// <param name="origin">The offset of <paramref name="bytes"/> in the file.</param>
    internal ProtobufReader(ReadOnlySpan<byte> bytes, ImageFile file, long origin)
    {
        _bytes = bytes;
        _file = file;
        _origin = origin;
    }

    /// <summary>The number of the field that <see cref="MoveNext"/> found.</summary>
    internal int Field { get; private set; }

    /// <summary>How the field's value is encoded.</summary>
    internal WireType WireType { get; private set; }

    /// <summary>The offset in the file of what is read next.</summary>
    internal readonly long Offset => _origin + _position;

    /// <summary>The offset in the file of the current field's key.</summary>
    internal readonly long FieldOffset => _origin + _fieldStart;

    internal readonly ImageFile File => _file;

    internal readonly bool AtEnd => _position >= _bytes.Length;

    /// <summary>Goes to the next field. The value of the one before must have been read or skipped.</summary>
    internal bool MoveNext()
    {
        if (_position >= _bytes.Length)
        {
            return false;
        }

        _fieldStart = _position;
        ulong key = Varint();
        uint wire = (uint)key & 7;
        if (wire is 3 or 4 or > 5)
        {
            ImageFault.Corrupt(_file, FieldOffset, $"wire type {wire} is not one an image has");
        }

        if (key >> 3 is 0 or > 0x1fff_ffff)
        {
            ImageFault.Corrupt(_file, FieldOffset, $"{key >> 3} is not a field number");
        }

        Field = (int)(key >> 3);
        WireType = (WireType)wire;
        return true;
    }

    internal ulong UInt64()
    {
        Expect(WireType.Varint);
        return Varint();
    }

    internal uint UInt32() => (uint)UInt64();

    internal long Int64() => (long)UInt64();

    internal int Int32() => (int)UInt64();

    internal bool Bool() => UInt64() != 0;

    internal long SInt64()
    {
        ulong raw = UInt64();
        return (long)(raw >> 1) ^ -(long)(raw & 1);
    }

    internal int SInt32() => (int)SInt64();

    internal ulong Fixed64()
    {
        Expect(WireType.Fixed64);
        return BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
    }

    internal uint Fixed32()
    {
        Expect(WireType.Fixed32);
        return BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
    }

    internal ReadOnlySpan<byte> Bytes()
    {
        Expect(WireType.Bytes);
        ulong length = Varint();
        if (length > (ulong)(_bytes.Length - _position))
        {
            ImageFault.Corrupt(_file, FieldOffset, $"field {Field} claims {length} bytes where {_bytes.Length - _position} are left");
        }

        return Take((int)length);
    }

    internal string String() => Encoding.UTF8.GetString(Bytes());

    internal ProtobufReader Message()
    {
        ReadOnlySpan<byte> bytes = Bytes();
        return new ProtobufReader(bytes, _file, Offset - bytes.Length);
    }

    /// <summary>Adds a repeated field's values, packed or one to a field, as protobuf allows both of any writer.</summary>
    internal void AddTo(List<uint> values)
    {
        if (WireType != WireType.Bytes)
        {
            values.Add(UInt32());
            return;
        }

        ProtobufReader packed = Message();
        while (!packed.AtEnd)
        {
            values.Add((uint)packed.Varint());
        }
    }

    /// <inheritdoc cref="AddTo(List{uint})"/>
    internal void AddTo(List<ulong> values)
    {
        if (WireType != WireType.Bytes)
        {
            values.Add(UInt64());
            return;
        }

        ProtobufReader packed = Message();
        while (!packed.AtEnd)
        {
            values.Add(packed.Varint());
        }
    }

    /// <summary>Passes over the current value and returns its bytes as they are in the file, without the key.</summary>
    internal ReadOnlySpan<byte> Skip()
    {
        int start = _position;
        switch (WireType)
        {
            case WireType.Varint:
                Varint();
                break;
            case WireType.Fixed64:
                Take(8);
                break;
            case WireType.Fixed32:
                Take(4);
                break;
            default:
                Bytes();
                break;
        }

        return _bytes[start.._position];
    }

    /// <summary>The next varint, with no regard to a field: for packed values.</summary>
    internal ulong Varint()
    {
        ReadOnlySpan<byte> bytes = _bytes;
        int position = _position;
        if ((uint)position < (uint)bytes.Length && bytes[position] < 0x80)
        {
            _position = position + 1;
            return bytes[position];
        }

        return LongVarint();
    }

    /// <summary>The next eight bytes, with no regard to a field: for packed values.</summary>
    internal ulong RawFixed64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    /// <summary>The next four bytes, with no regard to a field: for packed values.</summary>
    internal uint RawFixed32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    private ulong LongVarint()
    {
        ulong value = 0;
        int position = _position;
        for (int shift = 0; shift < 70; shift += 7)
        {
            if ((uint)position >= (uint)_bytes.Length)
            {
                ImageFault.Corrupt(_file, _origin + _position, "a number runs past the end of its message");
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

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _bytes.Length - _position)
        {
            ImageFault.Corrupt(_file, Offset, $"{count} bytes are needed where {_bytes.Length - _position} are left");
        }

        ReadOnlySpan<byte> taken = _bytes.Slice(_position, count);
        _position += count;
        return taken;
    }

    private readonly void Expect(WireType expected)
    {
        if (WireType != expected)
        {
            ImageFault.Corrupt(_file, FieldOffset, $"field {Field} is encoded as {WireType} where {expected} belongs");
        }
    }
}
