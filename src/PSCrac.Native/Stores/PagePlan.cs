using PSCrac.Images.Memory;
using PSCrac.Images.Storage;

namespace PSCrac.Stores;

/// <summary>A group of pages in an image.</summary>
/// <param name="Address">The first address of the MiB in the process; of pages without addresses, the offset in their file.</param>
/// <param name="Offset">Where its pages begin in the pages file.</param>
/// <param name="Length">The size of its pages, in bytes.</param>
internal readonly record struct PageGroup(ulong Address, long Offset, int Length);

/// <summary>
/// The groups of a pages file: a page has the same address in a later image of the process, and another place in the file. Pages that
/// have no plain pagemap, such as compressed ones, are grouped by their offset.
/// </summary>
/// <param name="Name">The name of the pages file.</param>
/// <param name="MapName">The name of the pagemap file; empty where the pages are grouped by offset.</param>
/// <param name="Length">The size of the pages file, in bytes.</param>
/// <param name="Groups">The groups, in the order of the file, without gaps.</param>
internal sealed record PagePlan(string Name, string MapName, long Length, IReadOnlyList<PageGroup> Groups)
{
    private const int GroupSize = PageIndex.GroupSize;

    /// <summary>Plans all pages files of an image.</summary>
    /// <param name="source">The image's files.</param>
    /// <param name="pages">Its pages files.</param>
    internal static List<PagePlan> Make(ImageSource source, IEnumerable<ImageFileInfo> pages)
    {
        Dictionary<string, string> maps = FindMaps(source);
        var plans = new List<PagePlan>();
        foreach (ImageFileInfo file in pages)
        {
            List<PageGroup>? groups = maps.TryGetValue(file.Name, out string? map) && map.Length > 0 ? ByAddress(PageMap.Read(source, map)!, file.Length) : null;
            plans.Add(groups is null ? new PagePlan(file.Name, "", file.Length, ByOffset(file.Length)) : new PagePlan(file.Name, map!, file.Length, groups));
        }

        return plans;
    }

    // The name is empty for a pages file that two pagemaps share.
    private static Dictionary<string, string> FindMaps(ImageSource source)
    {
        var maps = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (ImageFileInfo file in source.Files)
        {
            if (PageMap.IsName(file.Name) && PageMap.Read(source, file.Name) is { } map)
            {
                maps[map.PagesFile] = maps.ContainsKey(map.PagesFile) ? "" : file.Name;
            }
        }

        return maps;
    }

    private static List<PageGroup>? ByAddress(PageMap map, long length)
    {
        if (map.HasBlocks || map.PresentBytes != length)
        {
            return null;
        }

        var groups = new List<PageGroup>();
        long offset = 0;
        foreach (PageRun run in map.Runs)
        {
            ulong end = run.Address + (run.IsPresent ? run.Pages * (ulong)map.PageSize : 0);
            for (ulong address = run.Address; address < end;)
            {
                ulong start = address & ~(ulong)(GroupSize - 1);
                int part = (int)Math.Min(end - address, start + GroupSize - address);
                if (groups is [.., var last] && last.Address == start && last.Length + part <= GroupSize)
                {
                    groups[^1] = last with { Length = last.Length + part };
                }
                else
                {
                    groups.Add(new PageGroup(start, offset, part));
                }

                address += (ulong)part;
                offset += part;
            }
        }

        return groups;
    }

    private static List<PageGroup> ByOffset(long length)
    {
        var groups = new List<PageGroup>();
        for (long offset = 0; offset < length; offset += GroupSize)
        {
            groups.Add(new PageGroup((ulong)offset, offset, (int)Math.Min(GroupSize, length - offset)));
        }

        return groups;
    }
}
