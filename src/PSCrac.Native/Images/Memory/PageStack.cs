using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Memory;

/// <summary>Where the content of a memory range is.</summary>
internal enum PageOrigin
{
    /// <summary>Nothing is mapped there.</summary>
    Unmapped = 0,

    /// <summary>In a pages file of this image or of one of its parents.</summary>
    Pages,

    /// <summary>All bytes are zero, and not stored.</summary>
    Zero,

    /// <summary>In the mapped file, which is not part of the image.</summary>
    MappedFile,

    /// <summary>Still in the dumped process: lazy pages, to be fetched later.</summary>
    Lazy,

    /// <summary>In a parent image that is missing or does not have the pages.</summary>
    MissingInParent,
}

/// <summary>A memory range whose content is contiguous in one place.</summary>
/// <param name="Address">The first address.</param>
/// <param name="Length">The length, in bytes.</param>
/// <param name="Origin">Where the content is.</param>
/// <param name="Level">The index into the stack's levels that gives the pages file; meaningless for other origins.</param>
/// <param name="FileOffset">The offset among the present pages, in bytes.</param>
internal readonly record struct MemoryStretch(ulong Address, ulong Length, PageOrigin Origin, int Level, long FileOffset)
{
    internal ulong End => Address + Length;
}

/// <summary>The pages of one address space or shared memory segment: the image's own pagemap, then those of its parents.</summary>
internal sealed class PageStack
{
    private readonly List<Level> _levels = [];

    internal readonly record struct Level(ImageSource Source, PageMap Map);

    internal IReadOnlyList<Level> Levels => _levels;

    /// <summary>Opens the pagemap file in an image and its parents; null if the image has none.</summary>
    internal static PageStack? Open(ImageSource source, string name)
    {
        var stack = new PageStack();
        foreach (ImageSource each in source.Chain)
        {
            if (PageMap.Read(each, name) is not { } map)
            {
                break;
            }

            if (stack._levels.Count > 0)
            {
                // Of the image itself it was required when it was opened.
                ImageInventory.Read(each)?.RequireKnown(each.Path);
            }

            stack._levels.Add(new Level(each, map));
        }

        return stack._levels.Count == 0 ? null : stack;
    }

    /// <summary>Opens the pages of a level, to which <see cref="MemoryStretch.FileOffset"/> refers.</summary>
    internal ImageFile OpenPages(int level) => _levels[level].Map.OpenPages();

    /// <summary>Divides an address range into ranges without gaps; <paramref name="otherwise"/> is the origin of pages that no pagemap lists.</summary>
    internal void Map(ulong start, ulong end, PageOrigin otherwise, List<MemoryStretch> stretches) => Map(0, start, end, otherwise, stretches);

    private void Map(int level, ulong start, ulong end, PageOrigin otherwise, List<MemoryStretch> stretches)
    {
        PageMap map = _levels[level].Map;
        ReadOnlySpan<PageRun> runs = map.Runs;
        ulong pageSize = (ulong)map.PageSize;
        ulong at = start;
        for (int i = map.FindFirstEndingAfter(start); i < runs.Length && at < end; i++)
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
