using System.Buffers;
using System.Buffers.Binary;

namespace PSCrac.Images.Format;

/// <summary>Writes one protobuf message, with the wire types that an edited entry of an image needs.</summary>
internal sealed class ProtobufWriter
{
    private const int MaximumVarintLength = 10;
    private readonly ArrayBufferWriter<byte> _buffer = new();

    internal ReadOnlySpan<byte> Message => _buffer.WrittenSpan;

    internal ProtobufWriter WriteVarint(int field, ulong value)
    {
        WriteKey(field, WireType.Varint);
        WriteRaw(value);
        return this;
    }

    internal ProtobufWriter WriteBytes(int field, ReadOnlySpan<byte> value)
    {
        WriteKey(field, WireType.Bytes);
        WriteRaw((ulong)value.Length);
        _buffer.Write(value);
        return this;
    }

    /// <summary>Copies a message's fields unchanged, known or unknown, except the given ones.</summary>
    internal ProtobufWriter CopyExcept(ProtobufReader message, params ReadOnlySpan<int> excluded)
    {
        while (message.MoveNext())
        {
            WireType type = message.WireType;
            ReadOnlySpan<byte> value = message.Skip();
            if (!excluded.Contains(message.Field))
            {
                WriteKey(message.Field, type);
                _buffer.Write(value);
            }
        }

        return this;
    }

    /// <summary>Appends the message to a file as an image entry: its length, then the message.</summary>
    internal void WriteEntry(Stream file) => WriteEntry(file, Message);

    /// <summary>Appends a message to a file as an image entry.</summary>
    internal static void WriteEntry(Stream file, ReadOnlySpan<byte> message)
    {
        WriteUInt32(file, (uint)message.Length);
        file.Write(message);
    }

    /// <summary>Writes the prefix and magic of another image file.</summary>
    internal static void WriteMagic(Stream file, ImageEntryReader source) => WriteMagic(file, source.Prefix, source.Magic);

    /// <summary>Writes a prefix, 0 for none, and a magic.</summary>
    internal static void WriteMagic(Stream file, uint prefix, uint magic)
    {
        if (prefix != 0)
        {
            WriteUInt32(file, prefix);
        }

        WriteUInt32(file, magic);
    }

    private static void WriteUInt32(Stream file, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        file.Write(bytes);
    }

    private void WriteKey(int field, WireType type) => WriteRaw(((ulong)field << 3) | (ulong)type);

    private void WriteRaw(ulong value)
    {
        Span<byte> bytes = _buffer.GetSpan(MaximumVarintLength);
        int length = 0;
        for (; value >= 0x80; value >>= 7)
        {
            bytes[length++] = (byte)(value | 0x80);
        }

        bytes[length++] = (byte)value;
        _buffer.Advance(length);
    }
}
