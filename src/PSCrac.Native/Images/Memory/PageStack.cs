using PSCrac.Images.Storage;

namespace PSCrac.Images.Memory;

/// <summary>Where the bytes of a stretch of memory are.</summary>
internal enum PageOrigin
{
    /// <summary>Nowhere: nothing is mapped there.</summary>
    Unmapped = 0,

    /// <summary>In a pages file of this image or of one of its parents.</summary>
    Pages,

    /// <summary>Nowhere, because they are all zero.</summary>
    Zero,

    /// <summary>In the mapped file, which is not part of the image.</summary>
    MappedFile,

    /// <summary>With the process that was dumped: pages to be fetched later.</summary>
    Lazy,

    /// <summary>In a parent image, which does not have them.</summary>
    MissingInParent,
}

/// <summary>A stretch of memory whose bytes are all in one place, one after another.</summary>
/// <param name="Address">Where it begins.</param>
/// <param name="Length">Its length, in bytes.</param>
/// <param name="Origin">Where its bytes are.</param>
/// <param name="Level">Which pages file: an index into the stack's levels; meaningless unless the bytes are in one.</param>
/// <param name="FileOffset">Where in the pages file, in bytes.</param>
internal readonly record struct MemoryStretch(ulong Address, ulong Length, PageOrigin Origin, int Level, long FileOffset)
{
    internal ulong End => Address + Length;
}

/// <summary>One address space's, or one shared segment's, pages: the image's own pagemap above those of its parents.</summary>
internal sealed class PageStack
{
    // Longer chains of parents than anybody makes; a chain may be a ring.
    private const int MostLevels = 256;
    private readonly List<Level> _levels = [];

    internal readonly record struct Level(ImageSource Source, PageMap Map);

    internal IReadOnlyList<Level> Levels => _levels;

    /// <summary>Opens the pagemap of that name in an image and in its parents; null where the image has none.</summary>
    internal static PageStack? Open(ImageSource source, string name)
    {
        var stack = new PageStack();
        for (ImageSource? each = source; each is not null && stack._levels.Count < MostLevels; each = each.Parent)
        {
            if (PageMap.Read(each, name) is not { } map)
            {
                break;
            }

            stack._levels.Add(new Level(each, map));
        }

        return stack._levels.Count == 0 ? null : stack;
    }

    internal ImageFile OpenPages(int level) => _levels[level].Source.Open(_levels[level].Map.PagesFile);

    /// <summary>Divides a range into stretches, without gaps; what no pagemap knows has <paramref name="otherwise"/> as its origin.</summary>
    internal void Map(ulong start, ulong end, PageOrigin otherwise, List<MemoryStretch> stretches) => Map(0, start, end, otherwise, stretches);

    private void Map(int level, ulong start, ulong end, PageOrigin otherwise, List<MemoryStretch> stretches)
    {
        PageMap map = _levels[level].Map;
        ReadOnlySpan<PageRun> runs = map.Runs;
        ulong pageSize = (ulong)map.PageSize;
        ulong at = start;
        for (int i = map.FirstEndingAfter(start); i < runs.Length && at < end; i++)
        {
            PageRun run = runs[i];
            if (run.Address >= end)
            {
                break;
            }

            if (run.Address > at)
            {
                stretches.Add(new MemoryStretch(at, run.Address - at, otherwise, 0, 0));
                at = run.Address;
            }

            ulong to = Math.Min(end, run.Address + (run.Pages * pageSize));
            if (to <= at)
            {
                continue;
            }

            if (run.IsPresent)
            {
                stretches.Add(new MemoryStretch(at, to - at, PageOrigin.Pages, level, (long)((run.FilePage * pageSize) + (at - run.Address))));
            }
            else if (run.IsInParent && level + 1 < _levels.Count)
            {
                Map(level + 1, at, to, PageOrigin.MissingInParent, stretches);
            }
            else
            {
                stretches.Add(new MemoryStretch(at, to - at, run.IsInParent ? PageOrigin.MissingInParent : PageOrigin.Lazy, level, 0));
            }

            at = to;
        }

        if (at < end)
        {
            stretches.Add(new MemoryStretch(at, end - at, otherwise, 0, 0));
        }
    }
}
