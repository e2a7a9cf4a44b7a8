using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Memory;

/// <summary>A run of consecutive pages of one address space: their addresses, and where their content is.</summary>
/// <param name="Address">The first page's address in the process.</param>
/// <param name="Pages">The number of pages.</param>
/// <param name="Flags">Where the content is.</param>
/// <param name="FilePage">The first page's index among the present pages; meaningless unless the pages are present.</param>
internal readonly record struct PageRun(ulong Address, ulong Pages, PageFlags Flags, ulong FilePage)
{
    internal bool IsPresent => (Flags & PageFlags.Present) != 0;

    internal bool IsInParent => (Flags & PageFlags.Parent) != 0;

    internal bool IsAligned => (Flags & PageFlags.Aligned) != 0;
}

/// <summary>Where the content of a run is. The values are criu's PE_ flags.</summary>
[Flags]
internal enum PageFlags : uint
{
    None = 0,
    Parent = 1,
    Lazy = 2,
    Present = 4,

    /// <summary>The content starts at the next multiple of a page in the pages file.</summary>
    Aligned = 8,
}

/// <summary>The content of one pagemap file: which pages of an address space or of a shared memory segment were dumped.</summary>
internal sealed class PageMap
{
    /// <summary>The memory that a run takes, in bytes.</summary>
    internal const int RunSize = 36;

    /// <summary>The smallest size of a page, in bytes.</summary>
    internal const int MinimumPageSize = 4096;

    private readonly ImageSource _source;
    private readonly PageRun[] _runs;
    private readonly PageBlocks? _blocks;
    private readonly int[] _present;
    private int _pageSize;

    private PageMap(ImageSource source, uint pagesId, PageRun[] runs, PageBlocks? blocks, ulong presentPages)
    {
        _source = source;
        PagesId = pagesId;
        _runs = runs;
        _blocks = blocks;
        _present = FindPresentRuns(runs);
        PresentPages = presentPages;
    }

    /// <summary>The number N of the file pages-N.img that contains the present pages.</summary>
    internal uint PagesId { get; }

    /// <summary>The number of present pages.</summary>
    internal ulong PresentPages { get; }

    /// <summary>The size of the present pages, in bytes, when they are not compressed.</summary>
    internal long PresentBytes => (long)Math.Min(PresentPages, (ulong)(long.MaxValue / PageSize)) * PageSize;

    /// <summary>The length that the pages file must have, in bytes.</summary>
    internal long StoredBytes => _blocks?.StoredLength(PageSize) ?? PresentBytes;

    /// <summary>Whether it lists blocks of pages, which may be compressed.</summary>
    internal bool HasBlocks => _blocks is { Count: > 0 };

    /// <summary>The memory that it takes, in bytes.</summary>
    internal long KeptBytes => ((long)_runs.Length * RunSize) + ((long)(_blocks?.Count ?? 0) * PageBlocks.BlockSize);

    internal ReadOnlySpan<PageRun> Runs => _runs;

    internal string PagesFile => $"pages-{PagesId}.img";

    /// <summary>
    /// The size of a page, in bytes. Images do not record it: it is the length of the pages file divided by the number of pages or,
    /// where pages are compressed, a block's size divided by its number of pages; 4096 if the result is not a page size.
    /// </summary>
    internal int PageSize => _pageSize != 0 ? _pageSize : _pageSize = FindPageSize();

    /// <summary>The name of a process's pagemap file.</summary>
    internal static string NameFor(int processId) => $"pagemap-{(uint)processId}.img";

    /// <summary>The name of a shared memory segment's pagemap file.</summary>
    internal static string NameForShared(ulong shmid) => $"pagemap-shmem-{shmid}.img";

    /// <summary>Whether a file is a pagemap, by its name.</summary>
    internal static bool IsName(string file) => file.StartsWith("pagemap-", StringComparison.Ordinal) && file.EndsWith(".img", StringComparison.Ordinal);

    /// <summary>Reads a pagemap file; null if there is no such file.</summary>
    internal static PageMap? Read(ImageSource source, string name, CancellationToken cancellation = default)
    {
        using ImageEntryReader? entries = source.TryOpenEntries(name, ImageType.Pagemap, cancellation);
        if (entries is null || !entries.MoveNext())
        {
            return null;
        }

        uint pagesId = ReadHead(entries.Reader);
        var runs = new List<PageRun>((int)Math.Min(entries.File.Length / 16, 4096));
        PageBlocks? blocks = null;
        ulong filePage = 0;
        ulong end = 0;
        while (entries.MoveNext())
        {
            PageRun run = ReadRun(entries.Reader, filePage, out ProtobufReader field, out bool hasBlocks);
            if (run.Pages > (ulong.MaxValue >> 16) || run.Address > ulong.MaxValue - (run.Pages * MinimumPageSize) || run.Address < end)
            {
                ImageFault.Corrupt(entries.File, entries.MessageOffset, $"{run.Pages} pages at 0x{run.Address:x} overlap the previous ones, or exceed the address space");
            }

            end = run.Address + (run.Pages * MinimumPageSize);
            if (blocks is not null || hasBlocks || run.IsAligned)
            {
                blocks ??= BlocksOf(runs);
                AddTo(blocks, run, hasBlocks, field, entries);
            }

            if (run.IsPresent)
            {
                filePage += run.Pages;
            }

            runs.Add(run);
        }

        return new PageMap(source, pagesId, [.. runs], blocks, filePage);
    }

    /// <summary>Opens the present pages: one after the other, not compressed, and decoded as they are read.</summary>
    /// <param name="isWhole">Whether all are wanted: ImageIncomplete is thrown at once if the file is too short.</param>
    internal ImageFile OpenPages(bool isWhole = false)
    {
        ImageFile stored = _source.Open(PagesFile);
        if (isWhole && StoredBytes > stored.Length)
        {
            stored.Dispose();
            ImageFault.Truncated(stored, stored.Length, $"the pagemap requires {StoredBytes} bytes of pages");
        }

        return _blocks is null ? stored : new CompressedPages(stored, _blocks, PageSize, PresentBytes);
    }

    /// <summary>How many of the present bytes, from the first on, can be read; fewer than <see cref="PresentBytes"/> if the pages file was cut off, 0 if there is none.</summary>
    internal long CountReadableBytes()
    {
        using ImageFile? stored = _source.TryOpen(PagesFile);
        long length = stored?.Length ?? 0;
        return StoredBytes <= length ? PresentBytes : (_blocks?.CountPagesWithin(length, PageSize) ?? (length / PageSize)) * PageSize;
    }

    /// <summary>Decodes all compressed pages; throws ImageCorrupt or ImageIncomplete for the first that are damaged.</summary>
    internal void RequireSoundPages(CancellationToken cancellation)
    {
        if (HasBlocks)
        {
            using ImageFile pages = OpenPages(isWhole: true);
            ((CompressedPages)pages).RequireSound(cancellation);
        }
    }

    /// <summary>The index of the first run that ends after an address; the number of runs if there is none.</summary>
    internal int FindFirstEndingAfter(ulong address)
    {
        ulong pageSize = (ulong)PageSize;
        int low = 0;
        int high = _runs.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_runs[middle].Address + (_runs[middle].Pages * pageSize) <= address)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    /// <summary>The index of the run at an offset of the pages file; -1 if there is none.</summary>
    internal int FindRunAtFileOffset(long offset)
    {
        ulong page = (ulong)offset / (ulong)PageSize;
        int low = 0;
        int high = _present.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            PageRun run = _runs[_present[middle]];
            if (run.FilePage + run.Pages <= page)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low < _present.Length ? _present[low] : -1;
    }

    private static uint ReadHead(ProtobufReader head)
    {
        uint id = 0;
        while (head.MoveNext())
        {
            if (head.Field == Wire.PagemapHead.PagesId)
            {
                id = head.ReadUInt32();
            }
            else
            {
                head.Skip();
            }
        }

        head.RequireFields(Wire.PagemapHead.Required);
        return id;
    }

    private static PageBlocks BlocksOf(List<PageRun> runs)
    {
        var blocks = new PageBlocks();
        foreach (PageRun run in runs)
        {
            if (run is { IsPresent: true, Pages: > 0 })
            {
                blocks.Add(run.Pages, isAligned: false);
            }
        }

        return blocks;
    }

    private static void AddTo(PageBlocks blocks, PageRun run, bool hasBlocks, ProtobufReader field, ImageEntryReader entries)
    {
        if (run is { IsPresent: true, Pages: > 0 })
        {
            if (hasBlocks)
            {
                blocks.Add(run.Pages, run.IsAligned, field);
            }
            else
            {
                blocks.Add(run.Pages, run.IsAligned);
            }
        }
        else if (hasBlocks || run.IsAligned)
        {
            ImageFault.Corrupt(entries.File, entries.MessageOffset, $"it says where the pages at 0x{run.Address:x} are in the pages file, which are not in it");
        }
    }

    private static PageRun ReadRun(ProtobufReader entry, ulong filePage, out ProtobufReader blocks, out bool hasBlocks)
    {
        blocks = default;
        hasBlocks = false;
        ulong address = 0;
        ulong pages = 0;
        uint compatiblePages = 0;
        PageFlags? flags = null;
        bool inParent = false;
        while (entry.MoveNext())
        {
            switch (entry.Field)
            {
                case Wire.PagemapEntry.Vaddr:
                    address = entry.ReadUInt64();
                    break;
                case Wire.PagemapEntry.CompatNrPages:
                    compatiblePages = entry.ReadUInt32();
                    break;
                case Wire.PagemapEntry.InParent:
                    inParent = entry.ReadBool();
                    break;
                case Wire.PagemapEntry.Flags:
                    flags = (PageFlags)entry.ReadUInt32();
                    break;
                case Wire.PagemapEntry.NrPages:
                    pages = entry.ReadUInt64();
                    break;
                case Wire.PagemapEntry.Blocks:
                    blocks = entry.ReadMessage();
                    hasBlocks = true;
                    break;
                default:
                    entry.Skip();
                    break;
            }
        }

        entry.RequireFields(Wire.PagemapEntry.Required);

        // Older versions of criu write in_parent instead of flags, and compat_nr_pages (32 bits) instead of nr_pages.
        PageFlags known = flags ?? (inParent ? PageFlags.Parent : PageFlags.Present);
        return new PageRun(address, pages != 0 ? pages : compatiblePages, inParent ? known | PageFlags.Parent : known, filePage);
    }

    private static int[] FindPresentRuns(PageRun[] runs)
    {
        var indexes = new List<int>(runs.Length);
        for (int i = 0; i < runs.Length; i++)
        {
            if (runs[i].IsPresent && runs[i].Pages > 0)
            {
                indexes.Add(i);
            }
        }

        return [.. indexes];
    }

    private int FindPageSize()
    {
        ulong length;
        ulong pages;
        if (_blocks is { PagesPerBlock: > 0 })
        {
            pages = _blocks.PagesPerBlock;
            length = ImageInventory.Read(_source)?.BlockSize ?? 0;
        }
        else
        {
            using ImageFile? file = PresentPages == 0 ? null : _source.TryOpen(PagesFile);
            pages = Math.Max(1, PresentPages);
            length = (ulong)(file?.Length ?? 0);
        }

        return length % pages == 0 && length / pages is 4096 or 8192 or 16384 or 65536 ? (int)(length / pages) : MinimumPageSize;
    }
}
