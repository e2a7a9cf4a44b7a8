using Microsoft.Win32.SafeHandles;
using PSCrac.Archives;

namespace PSCrac.CoreDumps;

/// <summary>Where a core is written to, from its beginning to its end: a file, in which pages of zeros become holes, or a compressed stream.</summary>
internal sealed class CoreOutput(SafeFileHandle file, ZstandardWriter? compressed)
{
    // The unit of a hole.
    private const int PageSize = 4096;
    private static readonly byte[] s_zeros = new byte[1 << 16];

    /// <summary>The bytes that were written or passed.</summary>
    internal long Position { get; private set; }

    /// <summary>Writes bytes.</summary>
    internal void Write(ReadOnlySpan<byte> bytes)
    {
        if (compressed is not null)
        {
            compressed.Write(bytes);
        }
        else
        {
            WriteWithHoles(bytes);
        }

        Position += bytes.Length;
    }

    /// <summary>Passes zeros.</summary>
    internal void Skip(long length)
    {
        for (long left = compressed is null ? 0 : length; left > 0; left -= Math.Min(left, s_zeros.Length))
        {
            compressed!.Write(s_zeros, 0, (int)Math.Min(left, s_zeros.Length));
        }

        Position += length;
    }

    /// <summary>Ends the output; a hole may be at the end of a file.</summary>
    internal void Complete()
    {
        if (compressed is not null)
        {
            compressed.Complete();
        }
        else
        {
            RandomAccess.SetLength(file, Position);
        }
    }

    // Position and length are multiples of a page but for what precedes the memory.
    private void WriteWithHoles(ReadOnlySpan<byte> bytes)
    {
        int start = 0;
        while (start < bytes.Length)
        {
            int page = Math.Min(PageSize, bytes.Length - start);
            if (!bytes.Slice(start, page).ContainsAnyExcept((byte)0))
            {
                start += page;
                continue;
            }

            int end = start + page;
            while (end < bytes.Length && bytes.Slice(end, Math.Min(PageSize, bytes.Length - end)).ContainsAnyExcept((byte)0))
            {
                end = Math.Min(bytes.Length, end + PageSize);
            }

            RandomAccess.Write(file, bytes[start..end], Position + start);
            start = end;
        }
    }
}
