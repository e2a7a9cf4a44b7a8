using System.Buffers;
using System.Buffers.Binary;

namespace PSCrac.Images.Format;

/// <summary>Writes one protobuf message: the few wire types that an edited entry of an image needs.</summary>
internal sealed class ProtobufWriter
{
    private const int LongestVarint = 10;
    private readonly ArrayBufferWriter<byte> _buffer = new();

    internal ReadOnlySpan<byte> Message => _buffer.WrittenSpan;

    internal ProtobufWriter Varint(int field, ulong value)
    {
        Key(field, WireType.Varint);
        Raw(value);
        return this;
    }

    internal ProtobufWriter Bytes(int field, ReadOnlySpan<byte> value)
    {
        Key(field, WireType.Bytes);
        Raw((ulong)value.Length);
        _buffer.Write(value);
        return this;
    }

    /// <summary>Copies a message's fields as they are, known or not, but for some.</summary>
    internal ProtobufWriter CopyAllBut(ProtobufReader message, params ReadOnlySpan<int> left)
    {
        while (message.MoveNext())
        {
            WireType type = message.WireType;
            ReadOnlySpan<byte> value = message.Skip();
            if (!left.Contains(message.Field))
            {
                Key(message.Field, type);
                _buffer.Write(value);
            }
        }

        return this;
    }

    /// <summary>Appends the message to a file as an image's entry: its length, then itself.</summary>
    internal void WriteEntry(Stream file) => WriteEntry(file, Message);

    /// <summary>Appends a message to a file as an image's entry.</summary>
    internal static void WriteEntry(Stream file, ReadOnlySpan<byte> message)
    {
        WriteUInt32(file, (uint)message.Length);
        file.Write(message);
    }

    /// <summary>Begins an image file as another begins.</summary>
    internal static void WriteMagic(Stream file, ImageEntryReader like)
    {
        if (like.Prefix != 0)
        {
            WriteUInt32(file, like.Prefix);
        }

        WriteUInt32(file, like.Magic);
    }

    private static void WriteUInt32(Stream file, uint value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        file.Write(bytes);
    }

    private void Key(int field, WireType type) => Raw(((ulong)field << 3) | (ulong)type);

    private void Raw(ulong value)
    {
        Span<byte> bytes = _buffer.GetSpan(LongestVarint);
        int length = 0;
        for (; value >= 0x80; value >>= 7)
        {
            bytes[length++] = (byte)(value | 0x80);
        }

        bytes[length++] = (byte)value;
        _buffer.Advance(length);
    }
}
