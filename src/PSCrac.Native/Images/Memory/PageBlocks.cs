using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Memory;

/// <summary>Where some pages are in a pages file.</summary>
/// <param name="FirstPage">The first page's index among all present pages.</param>
/// <param name="Pages">The number of pages.</param>
/// <param name="Offset">Where they start in the pages file, in bytes.</param>
/// <param name="Length">The bytes that they take there: 0 for zeros, as many as the pages have if they are not compressed.</param>
internal readonly record struct PageBlock(ulong FirstPage, ulong Pages, long Offset, long Length);

/// <summary>
/// Where the present pages of a pagemap are in a pages file that has compressed ones (criu 4.3, --compress). One entry of the
/// pagemap after the other has its blocks there: of a fixed number of pages, the last of fewer. A block is an LZ4 block, or the
/// pages as they are, or nothing for zeros. An entry without blocks has its pages as they are. A block is found without reading
/// those before it.
/// </summary>
internal sealed class PageBlocks
{
    /// <summary>The most bytes that a block has when it is decoded: criu's own limit.</summary>
    internal const int MaximumBlockLength = 4 << 20;

    /// <summary>The memory that a block takes, in bytes.</summary>
    internal const int BlockSize = sizeof(long);

    // Enough for 8 TiB of memory in criu's usual blocks of 256 KiB, and for 128 GiB in blocks of one page.
    private const int MaximumBlocks = 1 << 25;

    // For each block, the sum of its size and of those of all blocks before it.
    private readonly List<long> _ends = [];
    private readonly List<Run> _runs = [];
    private ulong _pages;
    private (long[] Starts, long End)? _layout;

    /// <param name="FirstPage">The first page's index among all present pages.</param>
    /// <param name="Pages">The number of pages.</param>
    /// <param name="FirstBlock">The first block's index.</param>
    /// <param name="PagesPerBlock">0 where it has no blocks.</param>
    /// <param name="IsAligned">Whether it starts at the next multiple of a page.</param>
    private readonly record struct Run(ulong FirstPage, ulong Pages, int FirstBlock, uint PagesPerBlock, bool IsAligned);

    /// <summary>The number of blocks.</summary>
    internal int Count => _ends.Count;

    /// <summary>The largest number of pages in a block; 0 if there are no blocks.</summary>
    internal uint PagesPerBlock { get; private set; }

    /// <summary>Adds the next present pages, which are not compressed.</summary>
    internal void Add(ulong pages, bool isAligned)
    {
        _runs.Add(new Run(_pages, pages, _ends.Count, 0, isAligned));
        _pages += pages;
    }

    /// <summary>Adds the next present pages.</summary>
    /// <param name="pages">Their number.</param>
    /// <param name="isAligned">Whether they start at the next multiple of a page.</param>
    /// <param name="blocks">The field of their entry that lists the blocks. ImageCorrupt if it does not fit the number of pages.</param>
    internal void Add(ulong pages, bool isAligned, ProtobufReader blocks)
    {
        int first = _ends.Count;
        long start = first == 0 ? 0 : _ends[^1];
        ulong size = 0;
        uint pagesPerBlock = 0;
        while (blocks.MoveNext())
        {
            switch (blocks.Field)
            {
                case Wire.PagemapBlocks.BlockSizes:
                    AddSizes(ref blocks);
                    break;
                case Wire.PagemapBlocks.TotalPayloadSize:
                    size = blocks.ReadUInt64();
                    break;
                case Wire.PagemapBlocks.PagesPerBlock:
                    pagesPerBlock = blocks.ReadUInt32();
                    break;
                default:
                    blocks.Skip();
                    break;
            }
        }

        blocks.RequireFields(Wire.PagemapBlocks.Required);
        ulong count = (ulong)(_ends.Count - first);
        if (pagesPerBlock is 0 or > MaximumBlockLength / PageMap.MinimumPageSize || count != ((pages + pagesPerBlock - 1) / pagesPerBlock))
        {
            ImageFault.Corrupt(blocks.File, blocks.Offset, $"{pages} pages are said to be in {count} blocks of {pagesPerBlock} pages");
        }

        long sum = count == 0 ? 0 : _ends[^1] - start;
        if (size != (ulong)sum)
        {
            ImageFault.Corrupt(blocks.File, blocks.Offset, $"{count} blocks are said to have {size} bytes, but have {sum}");
        }

        PagesPerBlock = Math.Max(PagesPerBlock, pagesPerBlock);
        _runs.Add(new Run(_pages, pages, first, pagesPerBlock, isAligned));
        _pages += pages;
    }

    /// <summary>The length that the pages file must have, in bytes.</summary>
    /// <param name="pageSize">The size of a page, in bytes.</param>
    internal long StoredLength(int pageSize) => Layout(pageSize).End;

    /// <summary>How many pages, from the first on, are in blocks that end within a length of the pages file.</summary>
    /// <param name="length">The length, in bytes.</param>
    /// <param name="pageSize">The size of a page, in bytes.</param>
    internal long CountPagesWithin(long length, int pageSize)
    {
        ulong low = 0;
        ulong high = _pages;
        while (low < high)
        {
            PageBlock block = Find(low + ((high - low) / 2), pageSize);
            bool isRaw = block.Length == Extend(0, block.Pages, pageSize);
            if (block.Length <= length - block.Offset)
            {
                low = block.FirstPage + block.Pages;
            }
            else if (isRaw && length > block.Offset)
            {
                return (long)block.FirstPage + ((length - block.Offset) / pageSize);
            }
            else
            {
                high = block.FirstPage;
            }
        }

        return (long)Math.Min(low, _pages);
    }

    /// <summary>Finds a page.</summary>
    /// <param name="page">Its index among all present pages, which has to be one of them.</param>
    /// <param name="pageSize">The size of a page, in bytes.</param>
    internal PageBlock Find(ulong page, int pageSize)
    {
        int low = 0;
        int high = _runs.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            if (_runs[middle].FirstPage <= page)
            {
                low = middle;
            }
            else
            {
                high = middle - 1;
            }
        }

        Run run = _runs[low];
        long start = Layout(pageSize).Starts[low];
        if (run.PagesPerBlock == 0)
        {
            return new PageBlock(run.FirstPage, run.Pages, start, Extend(0, run.Pages, pageSize));
        }

        ulong before = (page - run.FirstPage) / run.PagesPerBlock;
        int index = run.FirstBlock + (int)before;
        ulong skipped = before * run.PagesPerBlock;
        return new PageBlock(
            run.FirstPage + skipped, Math.Min(run.PagesPerBlock, run.Pages - skipped), start + EndBefore(index) - EndBefore(run.FirstBlock), _ends[index] - EndBefore(index));
    }

    private void AddSizes(ref ProtobufReader blocks)
    {
        if (blocks.WireType != WireType.Bytes)
        {
            AddSize(blocks.ReadUInt64(), blocks);
            return;
        }

        ProtobufReader packed = blocks.ReadMessage();
        while (!packed.IsAtEnd)
        {
            AddSize(packed.ReadVarint(), packed);
        }
    }

    private void AddSize(ulong size, in ProtobufReader at)
    {
        if (size > MaximumBlockLength)
        {
            ImageFault.Corrupt(at.File, at.Offset, $"a block of pages has {size} bytes, more than the {MaximumBlockLength} that it can have");
        }

        if (_ends.Count == MaximumBlocks)
        {
            ImageFault.Corrupt(at.File, at.Offset, $"it has more than {MaximumBlocks} blocks of pages, the most that are read");
        }

        _ends.Add((_ends.Count == 0 ? 0 : _ends[^1]) + (long)size);
    }

    private long EndBefore(int block) => block == 0 ? 0 : _ends[block - 1];

    // Threads may do this at the same time, and come to the same.
    private (long[] Starts, long End) Layout(int pageSize)
    {
        if (_layout is { } known)
        {
            return known;
        }

        long[] starts = new long[_runs.Count];
        long end = 0;
        for (int i = 0; i < starts.Length; i++)
        {
            Run run = _runs[i];
            if (run.IsAligned && end % pageSize != 0)
            {
                end = Extend(end - (end % pageSize), 1, pageSize);
            }

            starts[i] = end;
            int next = i + 1 < starts.Length ? _runs[i + 1].FirstBlock : _ends.Count;
            end = run.PagesPerBlock == 0 ? Extend(end, run.Pages, pageSize) : Extend(end, (ulong)(EndBefore(next) - EndBefore(run.FirstBlock)), 1);
        }

        _layout = (starts, end);
        return (starts, end);
    }

    // A damaged pagemap may count more than a file can have.
    private static long Extend(long length, ulong count, int size) =>
        count > (ulong)(long.MaxValue - length) / (ulong)size ? long.MaxValue : length + ((long)count * size);
}
