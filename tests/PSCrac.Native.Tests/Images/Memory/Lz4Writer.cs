using System.Buffers.Binary;

namespace PSCrac.Tests.Images.Memory;

/// <summary>Encodes LZ4 blocks: a match wherever the next four bytes were seen before, as the format's end rules allow.</summary>
internal static class Lz4Writer
{
    private const int LastLiterals = 5;
    private const int LastMatchStart = 12;

    internal static byte[] Encode(ReadOnlySpan<byte> source)
    {
        var block = new List<byte>();
        var seen = new Dictionary<uint, int>();
        int anchor = 0;
        for (int at = 0; at < source.Length - LastMatchStart;)
        {
            uint next = BinaryPrimitives.ReadUInt32LittleEndian(source[at..]);
            bool found = seen.TryGetValue(next, out int before) && at - before <= ushort.MaxValue;
            seen[next] = at;
            if (!found)
            {
                at++;
                continue;
            }

            int length = 4;
            while (at + length < source.Length - LastLiterals && source[before + length] == source[at + length])
            {
                length++;
            }

            Add(block, source[anchor..at], at - before, length);
            at += length;
            anchor = at;
        }

        Add(block, source[anchor..], 0, 0);
        return [.. block];
    }

    /// <summary>Adds a sequence: literals, and a match unless its distance is 0.</summary>
    internal static void Add(List<byte> block, ReadOnlySpan<byte> literals, int distance, int length)
    {
        int match = distance == 0 ? 0 : length - 4;
        block.Add((byte)((Math.Min(literals.Length, 15) << 4) | Math.Min(match, 15)));
        AddLength(block, literals.Length);
        block.AddRange(literals);
        if (distance > 0)
        {
            block.Add((byte)distance);
            block.Add((byte)(distance >> 8));
            AddLength(block, match);
        }
    }

    private static void AddLength(List<byte> block, int length)
    {
        if (length < 15)
        {
            return;
        }

        int rest = length - 15;
        for (; rest >= 255; rest -= 255)
        {
            block.Add(255);
        }

        block.Add((byte)rest);
    }
}
