using System.Buffers.Binary;
using PSCrac.Images.Format;

namespace PSCrac.Tests.Images.Format;

/// <summary>Writes image files entry by entry.</summary>
internal static class ImageBytes
{
    /// <summary>The beginning of a file: prefix and magic; inventory.img has no prefix.</summary>
    internal static byte[] Head(ImageType type)
    {
        byte[] head = new byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(head, ImageType.CommonPrefix);
        BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(4), type.Magic);
        return type == ImageType.Inventory ? head[4..] : head;
    }

    /// <summary>A file of the same number of fields in each entry, which are varints.</summary>
    internal static byte[] Repeat(ImageType type, int count, Func<int, (int Field, uint Value)[]> fields)
    {
        using var file = new MemoryStream();
        file.Write(Head(type));
        for (int i = 0; i < count; i++)
        {
            Write(file, fields(i));
        }

        return file.ToArray();
    }

    private static void Write(MemoryStream file, (int Field, uint Value)[] fields)
    {
        Span<byte> message = stackalloc byte[256];
        int length = 4;
        foreach ((int field, uint value) in fields)
        {
            message[length++] = (byte)(field << 3);
            uint rest = value;
            for (; rest >= 0x80; rest >>= 7)
            {
                message[length++] = (byte)(rest | 0x80);
            }

            message[length++] = (byte)rest;
        }

        BinaryPrimitives.WriteInt32LittleEndian(message, length - 4);
        file.Write(message[..length]);
    }
}
