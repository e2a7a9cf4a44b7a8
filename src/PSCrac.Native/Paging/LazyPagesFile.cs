using PSCrac.Images.Format;
using PSCrac.Images.Memory;
using PSCrac.Images.Storage;

namespace PSCrac.Paging;

/// <summary>Consecutive pages of a process that a restore can do without, and where they are in its pages file.</summary>
/// <param name="Address">The first page's address in the process.</param>
/// <param name="Page">The first page's index in the pages file.</param>
/// <param name="Count">The number of pages.</param>
internal readonly record struct LazyRun(ulong Address, long Page, long Count)
{
    internal ulong End(int pageSize) => Address + ((ulong)Count * (ulong)pageSize);
}

/// <summary>A pages file of a process, and which of its pages a restore with lazy pages does without at first.</summary>
internal sealed class LazyPagesFile
{
    private LazyPagesFile(uint id, string name, long pages, LazyRun[] runs)
    {
        Id = id;
        Name = name;
        Pages = pages;
        Runs = runs;
    }

    /// <summary>The number N of pages-N.img.</summary>
    internal uint Id { get; }

    /// <summary>The file's name.</summary>
    internal string Name { get; }

    /// <summary>How many pages it has.</summary>
    internal long Pages { get; }

    /// <summary>The pages that can come later, in the order of the file.</summary>
    internal IReadOnlyList<LazyRun> Runs { get; }

    /// <summary>Finds which pages of a process can come later.</summary>
    internal static LazyPagesFile Find(PageMap map)
    {
        var runs = new List<LazyRun>();
        foreach (PageRun run in map.Runs)
        {
            // criu restores at once what is in a parent image.
            if (run.IsPresent && !run.IsInParent && (run.Flags & PageFlags.Lazy) != 0)
            {
                runs.Add(new LazyRun(run.Address, (long)run.FilePage, (long)run.Pages));
            }
        }

        return new LazyPagesFile(map.PagesId, map.PagesFile, (long)map.PresentPages, [.. runs]);
    }

    /// <summary>Reads all of an image that is brought from elsewhere; null if one of its processes has pages that are compressed or in a parent image.</summary>
    internal static IReadOnlyList<LazyPagesFile>? ReadAll(ImageSource source)
    {
        var files = new List<LazyPagesFile>();
        foreach (ImageFileInfo file in source.Files)
        {
            if (!PageMap.IsName(file.Name) || file.Name.StartsWith("pagemap-shmem-", StringComparison.Ordinal))
            {
                continue;
            }

            try
            {
                PageMap? map = PageMap.Read(source, file.Name);
                if (map is not null && !IsPlain(source, map))
                {
                    return null;
                }

                if (map is not null && Find(map) is { Runs.Count: > 0 } lazy)
                {
                    files.Add(lazy);
                }
            }
            catch (CracException)
            {
                return null;
            }
        }

        return files;
    }

    private static bool IsPlain(ImageSource source, PageMap map)
    {
        foreach (PageRun run in map.Runs)
        {
            if (run.IsInParent)
            {
                return false;
            }
        }

        // A file that is being received is empty at first.
        using ImageFile? pages = source.TryOpen(map.PagesFile);
        return !map.HasBlocks && (pages is not { Length: > 0 } || pages.Length == (long)map.PresentPages * Environment.SystemPageSize);
    }
}
