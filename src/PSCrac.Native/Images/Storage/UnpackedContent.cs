namespace PSCrac.Images.Storage;

/// <summary>
/// The unpacked content of a compressed archive, for reads at any offset. Going on from where a read ended costs what it
/// unpacks; going back costs nothing within the last <see cref="MostBlocks"/> blocks that were read, and beyond them the
/// unpacking of everything before. Two places are kept open, so that a reader who looks back now and then does not send
/// one who goes forward to the beginning again. Memory is bounded, and nothing goes to disk. For several threads.
/// </summary>
internal sealed class UnpackedContent(Func<Stream> open)
{
    internal const int BlockSize = 256 << 10;
    internal const int MostBlocks = 96;
    private const int MostPlaces = 2;
    private readonly Lock _lock = new();
    private readonly List<Place> _places = [];
    private readonly List<Block> _blocks = [];
    private long _clock;

    /// <summary>How often the archive was unpacked from its beginning.</summary>
    internal int Starts { get; private set; }

    /// <summary>Reads up to a buffer of bytes; 0 at the end of the content.</summary>
    /// <exception cref="IOException">The archive cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    internal int ReadAt(long offset, Span<byte> buffer)
    {
        lock (_lock)
        {
            Block block = Load(offset / BlockSize);
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

    private Block Load(long number)
    {
        if (Find(number) is { } known)
        {
            known.Used = ++_clock;
            return known;
        }

        Place place = PlaceBefore(number * BlockSize);
        try
        {
            // What is passed over is kept while there is room: a small archive is unpacked once, in whatever order it is read.
            for (long passed = place.Position / BlockSize; passed < number && _blocks.Count < MostBlocks; passed++)
            {
                if (Find(passed) is null && Fill(place, passed, new Block()) is { Length: < BlockSize } last)
                {
                    return new Block { Length = 0, Number = last.Number + 1 };
                }
            }

            return Fill(place, number, _blocks.Count < MostBlocks ? new Block() : _blocks.MinBy(static block => block.Used)!);
        }
        catch
        {
            Close(place);
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

    private Block Fill(Place place, long number, Block block)
    {
        // Until it is filled it is nobody's: reading may throw.
        block.Number = -1;
        block.Length = place.Fill(number * BlockSize, block.Bytes);
        block.Number = number;
        block.Used = ++_clock;
        if (!_blocks.Contains(block))
        {
            _blocks.Add(block);
        }

        if (block.Length < BlockSize)
        {
            Close(place);
        }

        return block;
    }

    /// <summary>The open place that is the least way before an offset; a new one, instead of the one not used for longest, where none is.</summary>
    private Place PlaceBefore(long offset)
    {
        Place? nearest = null;
        Place? oldest = null;
        foreach (Place each in _places)
        {
            if (each.Position <= offset && (nearest is null || each.Position > nearest.Position))
            {
                nearest = each;
            }

            oldest = oldest is null || each.Used < oldest.Used ? each : oldest;
        }

        if (nearest is null)
        {
            if (_places.Count == MostPlaces)
            {
                Close(oldest!);
            }

            nearest = new Place(open());
            Starts++;
            _places.Add(nearest);
        }

        nearest.Used = ++_clock;
        return nearest;
    }

    private void Close(Place place)
    {
        place.Dispose();
        _places.Remove(place);
    }

    private sealed class Block
    {
        internal byte[] Bytes { get; } = new byte[BlockSize];

        internal long Number { get; set; }

        internal int Length { get; set; }

        internal long Used { get; set; }
    }

    private sealed class Place(Stream content) : IDisposable
    {
        internal long Position { get; private set; }

        internal long Used { get; set; }

        /// <summary>Goes forward to an offset, using the buffer as scrap, and fills the buffer from there; less at the end.</summary>
        internal int Fill(long offset, byte[] buffer)
        {
            while (Position < offset)
            {
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
