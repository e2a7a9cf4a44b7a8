using System.Buffers;
using System.Text;
using PSCrac.Common;
using PSCrac.Images.Memory;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Operations;

/// <summary>
/// Searches the dumped memory of an image: each pages file once, sequentially, in windows that fit the
/// processor's cache. The process and address are determined only for matches.
/// Zero pages, lazy pages and mapped files are not searched: their content is not in the image.
/// </summary>
internal sealed partial class MemorySearch
{
    private const int WindowSize = 512 << 10;
    private readonly CracImage _image;
    private readonly MemoryPattern _pattern;
    private readonly int _context;
    private readonly HashSet<int>? _processes;

    /// <summary>Prepares a search.</summary>
    /// <param name="image">The image.</param>
    /// <param name="pattern">The pattern to search for.</param>
    /// <param name="processIds">The processes whose memory is searched; null for all.</param>
    /// <param name="context">The number of bytes before and after a match to return with it, 0 to 4,096.</param>
    internal MemorySearch(CracImage image, MemoryPattern pattern, IEnumerable<int>? processIds = null, int context = 32)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(pattern);
        _image = image;
        _pattern = pattern;
        _context = Math.Clamp(context, 0, 4096);
        _processes = processIds is null ? null : [.. processIds];
    }

    /// <summary>The number of bytes searched so far, for progress.</summary>
    internal long BytesSearched { get; private set; }

    /// <summary>
    /// Runs the search. Matches of a process are ordered by address, private memory first. A match in shared memory
    /// is returned for each process and area that maps it or, if none does, for each process that has it open. Matches do not overlap.
    /// </summary>
    /// <param name="cancellation">Cancels the search between two windows.</param>
    /// <exception cref="CracException">A pages file is missing or truncated, a pagemap is damaged, or the image has no process with an id (ProcessNotFound).</exception>
    /// <exception cref="OperationCanceledException">The search was cancelled.</exception>
    internal IEnumerable<CracMemoryMatch> Run(CancellationToken cancellation = default) =>
        Find(cancellation).WithContext(CracOperation.Search, _image.Path);

    private IEnumerable<CracMemoryMatch> Find(CancellationToken cancellation)
    {
        RequireProcesses();
        foreach (CracImageProcess process in SearchedProcesses())
        {
            foreach (CracMemoryMatch match in SearchPrivate(process, process.DumpedMemory!, cancellation))
            {
                yield return match;
            }
        }

        foreach (CracMemoryMatch match in SearchSegments(cancellation))
        {
            yield return match;
        }
    }

    /// <summary>The processes to search that have memory.</summary>
    private IEnumerable<CracImageProcess> SearchedProcesses()
    {
        foreach (CracImageProcess process in _image.Processes)
        {
            if ((_processes is null || _processes.Contains(process.ProcessId)) && process.DumpedMemory is not null)
            {
                yield return process;
            }
        }
    }

    private void RequireProcesses()
    {
        foreach (int id in _processes ?? [])
        {
            if (_image.FindProcess(id) is null)
            {
                throw _image.ProcessNotFound(id);
            }
        }
    }

    private IEnumerable<CracMemoryMatch> SearchPrivate(CracImageProcess process, ProcessMemory memory, CancellationToken cancellation)
    {
        if (memory.PrivatePages is not { } stack)
        {
            yield break;
        }

        foreach ((ulong address, int length) in Search(stack, cancellation))
        {
            yield return Describe(process, address, length);
        }
    }

    private IEnumerable<(ulong Address, int Length)> Search(PageStack stack, CancellationToken cancellation)
    {
        for (int level = 0; level < stack.Levels.Count; level++)
        {
            if (stack.Levels[level].Map.PresentPages > 0)
            {
                foreach ((ulong, int) match in SearchLevel(stack, level, cancellation))
                {
                    yield return match;
                }
            }
        }

        // Adjacent pages in memory are adjacent in the file, unless some are in a parent image.
        if (stack.Levels.Count > 1)
        {
            foreach ((ulong, int) match in SearchBoundaries(stack))
            {
                yield return match;
            }
        }
    }

    private IEnumerable<(ulong Address, int Length)> SearchLevel(PageStack stack, int level, CancellationToken cancellation)
    {
        PageMap map = stack.Levels[level].Map;
        using ImageFile pages = map.OpenPages(isWhole: true);
        long length = map.PresentBytes;

        byte[] window = ArrayPool<byte>.Shared.Rent(WindowSize);
        char[] characters = _pattern.NeedsCharacters ? ArrayPool<char>.Shared.Rent(WindowSize) : [];
        try
        {
            long endOfLast = 0;
            for (long offset = 0; offset < length;)
            {
                cancellation.ThrowIfCancellationRequested();
                int size = (int)Math.Min(WindowSize, length - offset);
                bool isLast = offset + size == length;
                pages.ReadExactlyAt(offset, window.AsSpan(0, size));
                if (_pattern.NeedsCharacters)
                {
                    Encoding.Latin1.GetChars(window.AsSpan(0, size), characters);
                }

                int limit = isLast ? size : size - _pattern.Overlap;
                int from = (int)Math.Max(0, endOfLast - offset);
                while (from < limit)
                {
                    (int start, int found) = _pattern.Find(window.AsSpan(0, size), characters.AsSpan(0, Math.Min(size, characters.Length)), from, limit);
                    if (start < 0)
                    {
                        break;
                    }

                    if (AddressOf(stack, level, offset + start, found) is { } address)
                    {
                        yield return (address, found);
                        from = start + found;
                    }
                    else
                    {
                        from = start + 1;
                    }

                    endOfLast = offset + from;
                }

                BytesSearched += limit;
                offset += limit;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(window);
            if (characters.Length > 0)
            {
                ArrayPool<char>.Shared.Return(characters);
            }
        }
    }

    /// <summary>
    /// The address of bytes in a pages file; null if they are adjacent in the file but not in memory,
    /// or if a newer image has other content for these pages.
    /// </summary>
    private static ulong? AddressOf(PageStack stack, int level, long offset, int length)
    {
        PageMap map = stack.Levels[level].Map;
        int index = map.FindRunAtFileOffset(offset);
        if (index < 0)
        {
            return null;
        }

        PageRun run = map.Runs[index];
        ulong address = run.Address + ((ulong)offset - (run.FilePage * (ulong)map.PageSize));
        var stretches = new List<MemoryStretch>();
        stack.Map(address, address + (ulong)length, PageOrigin.Unmapped, stretches);
        foreach (MemoryStretch stretch in stretches)
        {
            if (stretch.Origin != PageOrigin.Pages || stretch.Level != level || stretch.FileOffset != offset)
            {
                return null;
            }

            offset += (long)stretch.Length;
        }

        return stretches.Count > 0 ? address : null;
    }

    /// <summary>Searches across boundaries where memory is contiguous but the pages file is not.</summary>
    private IEnumerable<(ulong Address, int Length)> SearchBoundaries(PageStack stack)
    {
        var stretches = new List<MemoryStretch>();
        stack.Map(0, ulong.MaxValue, PageOrigin.Unmapped, stretches);
        for (int i = 1; i < stretches.Count; i++)
        {
            MemoryStretch before = stretches[i - 1];
            MemoryStretch after = stretches[i];
            bool isBoundary = before.Origin == PageOrigin.Pages && after.Origin == PageOrigin.Pages
                && (before.Level != after.Level || before.FileOffset + (long)before.Length != after.FileOffset);
            if (isBoundary && FindAcross(stack, before, after) is { } match)
            {
                yield return match;
            }
        }
    }

    private (ulong Address, int Length)? FindAcross(PageStack stack, MemoryStretch before, MemoryStretch after)
    {
        int left = (int)Math.Min((ulong)_pattern.Overlap, before.Length);
        int right = (int)Math.Min((ulong)_pattern.Overlap, after.Length);
        byte[] window = new byte[left + right];
        using (ImageFile pages = stack.OpenPages(before.Level))
        {
            pages.ReadExactlyAt(before.FileOffset + (long)before.Length - left, window.AsSpan(0, left));
        }

        using (ImageFile pages = stack.OpenPages(after.Level))
        {
            pages.ReadExactlyAt(after.FileOffset, window.AsSpan(left));
        }

        char[] characters = _pattern.NeedsCharacters ? Encoding.Latin1.GetChars(window) : [];
        for (int from = 0; from < left;)
        {
            (int start, int length) = _pattern.Find(window, characters, from, left);
            if (start < 0)
            {
                break;
            }

            if (start + length > left)
            {
                return (before.End - (ulong)(left - start), length);
            }

            from = start + 1;
        }

        return null;
    }

    private CracMemoryMatch Describe(CracImageProcess process, ulong address, int length)
    {
        ProcessMemory memory = process.DumpedMemory!;
        int index = memory.Space.IndexOf(address);
        ulong first = index < 0 ? address : Math.Max(memory.Space.Areas[index].Start, address - Math.Min(address, (ulong)_context));
        byte[] context = new byte[(int)(address - first) + length + _context];
        int read = memory.Read(first, context).Read;
        if (read < (int)(address - first) + length)
        {
            // The bytes before the match are not in the image.
            first = address;
            context = new byte[length + _context];
            read = memory.Read(first, context).Read;
        }

        if (read < length)
        {
            // No area covers the match: the list of areas has less than the pagemap.
            context = new byte[length];
            read = length;
        }

        CracImageMemoryArea? area = index < 0 ? null : process.MemoryAreas[index];
        return new CracMemoryMatch(process, area, address, length, context[..read], (int)(address - first));
    }
}
