using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Memory;

/// <summary>A run of pages of one address space: where they are in the process, and where their bytes are.</summary>
/// <param name="Address">The first page's address in the process.</param>
/// <param name="Pages">How many pages.</param>
/// <param name="Flags">Where the bytes are.</param>
/// <param name="FilePage">The first page's place in the pages file, counted in pages; meaningless unless the pages are present.</param>
internal readonly record struct PageRun(ulong Address, ulong Pages, PageFlags Flags, ulong FilePage)
{
    internal bool IsPresent => (Flags & PageFlags.Present) != 0;

    internal bool IsInParent => (Flags & PageFlags.Parent) != 0;
}

/// <summary>Where a run's bytes are. The values are criu's PE_ flags.</summary>
[Flags]
internal enum PageFlags : uint
{
    None = 0,
    Parent = 1,
    Lazy = 2,
    Present = 4,
}

/// <summary>The content of one pagemap file: which pages of an address space, or of a shared memory segment, were dumped.</summary>
internal sealed class PageMap
{
    private const int SmallestPage = 4096;
    private readonly ImageSource _source;
    private readonly PageRun[] _runs;
    private readonly int[] _present;
    private int _pageSize;

    private PageMap(ImageSource source, uint pagesId, PageRun[] runs, ulong presentPages)
    {
        _source = source;
        PagesId = pagesId;
        _runs = runs;
        _present = PresentIndexes(runs);
        PresentPages = presentPages;
    }

    /// <summary>The number N of the pages-N.img that holds the present pages.</summary>
    internal uint PagesId { get; }

    /// <summary>How many pages are in the pages file.</summary>
    internal ulong PresentPages { get; }

    /// <summary>The size of the present pages, in bytes.</summary>
    internal long PresentBytes => (long)Math.Min(PresentPages, (ulong)(long.MaxValue / PageSize)) * PageSize;

    internal ReadOnlySpan<PageRun> Runs => _runs;

    internal string PagesFile => $"pages-{PagesId}.img";

    /// <summary>
    /// The size of a page, in bytes. No image says it: it is what divides the pages file into as many pages as the map counts,
    /// or 4096 where that is no page size.
    /// </summary>
    internal int PageSize => _pageSize != 0 ? _pageSize : _pageSize = FindPageSize();

    /// <summary>The name of a process's map.</summary>
    internal static string NameFor(int processId) => $"pagemap-{(uint)processId}.img";

    /// <summary>The name of a shared memory segment's map.</summary>
    internal static string NameForShared(ulong shmid) => $"pagemap-shmem-{shmid}.img";

    /// <summary>Reads a map; null where there is none of that name.</summary>
    internal static PageMap? Read(ImageSource source, string name)
    {
        using ImageEntryReader? entries = source.TryOpenEntries(name, ImageType.Pagemap);
        if (entries is null || !entries.MoveNext())
        {
            return null;
        }

        uint pagesId = ReadHead(entries.Reader);
        var runs = new List<PageRun>((int)Math.Min(entries.File.Length / 16, 4096));
        ulong filePage = 0;
        ulong end = 0;
        while (entries.MoveNext())
        {
            PageRun run = ReadRun(entries.Reader, filePage);
            if (run.Pages > (ulong.MaxValue >> 16) || run.Address > ulong.MaxValue - (run.Pages * SmallestPage) || run.Address < end)
            {
                ImageFault.Corrupt(entries.File, entries.MessageOffset, $"{run.Pages} pages at 0x{run.Address:x} overlap what came before, or no memory goes that far");
            }

            end = run.Address + (run.Pages * SmallestPage);
            if (run.IsPresent)
            {
                filePage += run.Pages;
            }

            runs.Add(run);
        }

        return new PageMap(source, pagesId, [.. runs], filePage);
    }

    /// <summary>The index of the first run that ends behind an address; the number of runs where none does.</summary>
    internal int FirstEndingAfter(ulong address)
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

    /// <summary>The index of the run that a place in the pages file belongs to; -1 where none does.</summary>
    internal int RunOfFileOffset(long offset)
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
                id = head.UInt32();
            }
            else
            {
                head.Skip();
            }
        }

        return id;
    }

    private static PageRun ReadRun(ProtobufReader entry, ulong filePage)
    {
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
                    address = entry.UInt64();
                    break;
                case Wire.PagemapEntry.CompatNrPages:
                    compatiblePages = entry.UInt32();
                    break;
                case Wire.PagemapEntry.InParent:
                    inParent = entry.Bool();
                    break;
                case Wire.PagemapEntry.Flags:
                    flags = (PageFlags)entry.UInt32();
                    break;
                case Wire.PagemapEntry.NrPages:
                    pages = entry.UInt64();
                    break;
                default:
                    entry.Skip();
                    break;
            }
        }

        // Before flags there was in_parent alone, and before nr_pages its 32-bit predecessor.
        PageFlags known = flags ?? (inParent ? PageFlags.Parent : PageFlags.Present);
        return new PageRun(address, pages != 0 ? pages : compatiblePages, inParent ? known | PageFlags.Parent : known, filePage);
    }

    private static int[] PresentIndexes(PageRun[] runs)
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
        using ImageFile? pages = PresentPages == 0 ? null : _source.TryOpen(PagesFile);
        if (pages is null || (ulong)pages.Length % PresentPages != 0)
        {
            return SmallestPage;
        }

        ulong size = (ulong)pages.Length / PresentPages;
        return size is 4096 or 8192 or 16384 or 65536 ? (int)size : SmallestPage;
    }
}
