using System.Buffers.Binary;
using PSCrac.Images.Format;

namespace PSCrac.CoreDumps;

/// <summary>Where the values of a field of an image's message are in a note of a core.</summary>
/// <param name="Field">The field's number.</param>
/// <param name="Offset">The offset of its first value, in bytes.</param>
/// <param name="Width">The size of a value, in bytes: 2, 4 or 8.</param>
/// <param name="Count">The most values that are taken.</param>
internal readonly record struct RegisterRow(int Field, int Offset, int Width, int Count = 1)
{
    /// <summary>The end of its last value, in bytes.</summary>
    internal int End => Offset + (Width * Count);

    /// <summary>Copies the values of a message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="rows">Its fields.</param>
    /// <param name="target">The content of the note.</param>
    /// <returns>A bit for each row that had a value.</returns>
    internal static uint Copy(ProtobufReader message, ReadOnlySpan<RegisterRow> rows, Span<byte> target)
    {
        Span<int> counts = stackalloc int[rows.Length];
        counts.Clear();
        uint found = 0;
        while (message.MoveNext())
        {
            int index = IndexOf(rows, message.Field);
            if (index < 0)
            {
                message.Skip();
                continue;
            }

            found |= 1u << index;
            if (message.WireType != WireType.Bytes)
            {
                rows[index].Put(counts[index]++, message.ReadUInt64(), target);
                continue;
            }

            for (ProtobufReader packed = message.ReadMessage(); !packed.IsAtEnd;)
            {
                rows[index].Put(counts[index]++, packed.ReadVarint(), target);
            }
        }

        return found;
    }

    private static int IndexOf(ReadOnlySpan<RegisterRow> rows, int field)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            if (rows[i].Field == field)
            {
                return i;
            }
        }

        return -1;
    }

    private void Put(int index, ulong value, Span<byte> target)
    {
        if (index >= Count)
        {
            return;
        }

        Span<byte> at = target.Slice(Offset + (index * Width), Width);
        switch (Width)
        {
            case sizeof(ushort):
                BinaryPrimitives.WriteUInt16LittleEndian(at, (ushort)value);
                break;
            case sizeof(uint):
                BinaryPrimitives.WriteUInt32LittleEndian(at, (uint)value);
                break;
            default:
                BinaryPrimitives.WriteUInt64LittleEndian(at, value);
                break;
        }
    }
}
