namespace PSCrac.Images.Storage;

/// <summary>
/// The decompressed content of an archive, for reads at any offset. A read that continues the previous one decompresses only
/// what it returns. A read further back is served from the last <see cref="MaximumBlocks"/> blocks, or else decompresses the
/// archive from its beginning. Two cursors are kept open, so that occasional reads further back do not restart a
/// sequential reader. Memory is bounded, nothing is written to disk. Thread-safe.
/// </summary>
internal sealed class UnpackedContent(Func<Stream> open)
{
    internal const int BlockSize = 256 << 10;
    internal const int MaximumBlocks = 96;
    private const int MaximumCursors = 2;
    private readonly Lock _lock = new();
    private readonly List<Cursor> _cursors = [];
    private readonly List<Block> _blocks = [];
    private long _clock;

    /// <summary>How often decompression was started at the beginning of the archive.</summary>
    internal int StartCount { get; private set; }

    /// <summary>Reads up to the buffer's length. Returns the number of bytes; 0 at the end of the content.</summary>
    /// <exception cref="IOException">The archive cannot be read.</exception>
    /// <exception cref="InvalidDataException">The archive is damaged.</exception>
    internal int ReadAt(long offset, Span<byte> buffer, CancellationToken cancellation = default)
    {
        lock (_lock)
        {
            Block block = Load(offset / BlockSize, cancellation);
            int start = (int)(offset % BlockSize);
            int count = Math.Min(buffer.Length, block.Length - start);
            if (count <= 0)
            {
                return 0;
            }

            block.Bytes.AsSpan(start, count).CopyTo(buffer);
            return count;
        }
    }

    private Block Load(long number, CancellationToken cancellation)
    {
        if (Find(number) is { } known)
        {
            known.Used = ++_clock;
            return known;
        }

        Cursor cursor = CursorBefore(number * BlockSize);
        try
        {
            // Skipped blocks are kept while there is room: a small archive is decompressed once, in whatever order it is read.
            for (long passed = cursor.Position / BlockSize; passed < number && _blocks.Count < MaximumBlocks; passed++)
            {
                if (Find(passed) is null && Fill(cursor, passed, new Block(), cancellation) is { Length: < BlockSize } last)
                {
                    return new Block { Length = 0, Number = last.Number + 1 };
                }
            }

            return Fill(cursor, number, _blocks.Count < MaximumBlocks ? new Block() : _blocks.MinBy(static block => block.Used)!, cancellation);
        }
        catch
        {
            Close(cursor);
            throw;
        }
    }

    private Block? Find(long number)
    {
        foreach (Block each in _blocks)
        {
            if (each.Number == number)
            {
                return each;
            }
        }

        return null;
    }

    private Block Fill(Cursor cursor, long number, Block block, CancellationToken cancellation)
    {
        // Until the block is filled it belongs to no offset: reading may throw.
        block.Number = -1;
        block.Length = cursor.Fill(number * BlockSize, block.Bytes, cancellation);
        block.Number = number;
        block.Used = ++_clock;
        if (!_blocks.Contains(block))
        {
            _blocks.Add(block);
        }

        if (block.Length < BlockSize)
        {
            Close(cursor);
        }

        return block;
    }

    /// <summary>The nearest open cursor before an offset. If there is none, a new one replaces the least recently used.</summary>
    private Cursor CursorBefore(long offset)
    {
        Cursor? nearest = null;
        Cursor? oldest = null;
        foreach (Cursor each in _cursors)
        {
            if (each.Position <= offset && (nearest is null || each.Position > nearest.Position))
            {
                nearest = each;
            }

            oldest = oldest is null || each.Used < oldest.Used ? each : oldest;
        }

        if (nearest is null)
        {
            if (_cursors.Count == MaximumCursors)
            {
                Close(oldest!);
            }

            nearest = new Cursor(open());
            StartCount++;
            _cursors.Add(nearest);
        }

        nearest.Used = ++_clock;
        return nearest;
    }

    private void Close(Cursor cursor)
    {
        cursor.Dispose();
        _cursors.Remove(cursor);
    }

    private sealed class Block
    {
        internal byte[] Bytes { get; } = new byte[BlockSize];

        internal long Number { get; set; }

        internal int Length { get; set; }

        internal long Used { get; set; }
    }

    private sealed class Cursor(Stream content) : IDisposable
    {
        internal long Position { get; private set; }

        internal long Used { get; set; }

        /// <summary>Advances to an offset, overwriting the buffer, then fills the buffer from there. Returns fewer bytes at the end.</summary>
        internal int Fill(long offset, byte[] buffer, CancellationToken cancellation)
        {
            while (Position < offset)
            {
                cancellation.ThrowIfCancellationRequested();
                int passed = content.Read(buffer.AsSpan(0, (int)Math.Min(buffer.Length, offset - Position)));
                if (passed == 0)
                {
                    return 0;
                }

                Position += passed;
            }

            int filled = content.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            Position += filled;
            return filled;
        }

        public void Dispose() => content.Dispose();
    }
}
