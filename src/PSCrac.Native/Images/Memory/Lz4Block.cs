namespace PSCrac.Images.Memory;

/// <summary>
/// Decodes LZ4 blocks (lz4_Block_format.md of LZ4), which criu 4.3 stores compressed pages in. It is written here, and not left to
/// liblz4, because it is short, because liblz4 is not on every machine, and because a block may come from anywhere: this one
/// cannot read or write outside of what it is given.
/// </summary>
internal static class Lz4Block
{
    private const int MinimumMatch = 4;

    // A length of 15 in the token goes on in the bytes that follow, up to one that is not 255.
    private const int LongLength = 15;

    // A block ends with literals, at least as many as these.
    private const int LastLiterals = 5;

    /// <summary>Decodes a whole block.</summary>
    /// <param name="source">The block, of at most <see cref="PageBlocks.MaximumBlockLength"/> bytes.</param>
    /// <param name="target">What it is decoded into, of exactly the length that was compressed.</param>
    /// <returns>Whether it is a sound block of that length. The target has any content otherwise.</returns>
    internal static bool TryDecode(ReadOnlySpan<byte> source, Span<byte> target)
    {
        int read = 0;
        int written = 0;
        while (read < source.Length)
        {
            int token = source[read++];
            int literals = token >> 4;
            if ((literals == LongLength && !TryAddLength(source, ref read, ref literals)) || literals > source.Length - read || literals > target.Length - written)
            {
                return false;
            }

            source.Slice(read, literals).CopyTo(target[written..]);
            read += literals;
            written += literals;
            if (read == source.Length)
            {
                return written == target.Length;
            }

            if (source.Length - read < sizeof(ushort))
            {
                return false;
            }

            int distance = source[read] | (source[read + 1] << 8);
            read += sizeof(ushort);
            int length = token & LongLength;
            if ((length == LongLength && !TryAddLength(source, ref read, ref length)) || distance == 0 || distance > written)
            {
                return false;
            }

            length += MinimumMatch;
            if (length > target.Length - written - LastLiterals)
            {
                return false;
            }

            Repeat(target, written, distance, length);
            written += length;
        }

        return false;
    }

    // A source of 4 MiB cannot make it overflow.
    private static bool TryAddLength(ReadOnlySpan<byte> source, ref int read, ref int length)
    {
        while (read < source.Length)
        {
            byte more = source[read++];
            length += more;
            if (more != byte.MaxValue)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Copies what was written a distance before. It may overlap what it is copied to, and is then repeated.</summary>
    private static void Repeat(Span<byte> target, int written, int distance, int length)
    {
        int start = written - distance;
        while (length > 0)
        {
            int part = Math.Min(length, written - start);
            target.Slice(start, part).CopyTo(target[written..]);
            written += part;
            length -= part;
        }
    }
}
