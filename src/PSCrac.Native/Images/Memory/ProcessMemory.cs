using System.Collections.Concurrent;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Memory;

/// <summary>The memory of one process of an image: its areas, and where the content of each is.</summary>
internal sealed class ProcessMemory
{
    private readonly ImageSource _source;
    private readonly Func<uint, ulong?> _segmentOfMemFd;
    private readonly PageStack? _private;

    // A caller may read from a match's process while the search runs.
    private readonly ConcurrentDictionary<ulong, PageStack?> _shared = new();

    internal ProcessMemory(ImageSource source, int processId, AddressSpace space, Func<uint, ulong?> segmentOfMemFd)
    {
        _source = source;
        _segmentOfMemFd = segmentOfMemFd;
        ProcessId = processId;
        Space = space;
        _private = PageStack.Open(source, PageMap.NameFor(processId));
    }

    internal int ProcessId { get; }

    internal AddressSpace Space { get; }

    /// <summary>The process's private pages; null if it has none.</summary>
    internal PageStack? PrivatePages => _private;

    /// <summary>The shared memory segment that holds an area's content; null if the area is not shared memory.</summary>
    internal ulong? FindSegment(in MappedArea area)
    {
        if ((area.Status & AreaStatus.AnonymousShared) != 0)
        {
            return area.ShmId;
        }

        if ((area.Status & AreaStatus.SystemV) != 0)
        {
            // criu before 3.16 stores the content of a segment beside its description.
            return _source.Contains(PageMap.NameForShared(area.ShmId)) ? area.ShmId : null;
        }

        return area.IsShared ? FindMemFdSegment(area) : null;
    }

    /// <summary>The shared memory segment with the content of the memfd that an area maps, shared or private; null if it maps none.</summary>
    internal ulong? FindMemFdSegment(in MappedArea area) => (area.Status & AreaStatus.MemFd) != 0 ? _segmentOfMemFd((uint)area.ShmId) : null;

    /// <summary>The pages of a shared memory segment; null if the image has none of them.</summary>
    internal PageStack? GetSharedPages(ulong segment) =>
        _shared.GetOrAdd(segment, static (each, source) => PageStack.Open(source, PageMap.NameForShared(each)), _source);

    /// <summary>Divides a range of an area by where the content is. Returns the stack to which the levels refer.</summary>
    internal PageStack? Map(in MappedArea area, ulong start, ulong end, List<MemoryStretch> stretches)
    {
        if (FindSegment(area) is { } segment)
        {
            return MapShared(area, segment, start, end, stretches);
        }

        bool isZero = (area.Status & AreaStatus.AnonymousPrivate) != 0;
        PageOrigin otherwise = isZero ? PageOrigin.Zero : PageOrigin.MappedFile;
        if (_private is null)
        {
            stretches.Add(new MemoryStretch(start, end - start, otherwise, 0, 0));
        }
        else
        {
            _private.Map(start, end, otherwise, stretches);
        }

        return _private;
    }

    /// <summary>Reads up to the buffer's length from an address; stops before the first byte that the image does not have.</summary>
    /// <returns>The number of bytes read, and where the next byte is.</returns>
    internal (int Read, PageOrigin Next) Read(ulong address, Span<byte> buffer)
    {
        var stretches = new List<MemoryStretch>();
        int done = 0;
        while (done < buffer.Length)
        {
            ulong at = address + (ulong)done;
            int index = Space.IndexOf(at);
            if (index < 0)
            {
                return (done, PageOrigin.Unmapped);
            }

            MappedArea area = Space.Areas[index];
            ulong end = Math.Min(area.End, at + Math.Min((ulong)(buffer.Length - done), ulong.MaxValue - at));
            stretches.Clear();
            PageStack? stack = Map(area, at, end, stretches);
            if (stretches.Count == 0)
            {
                return (done, PageOrigin.Unmapped);
            }

            foreach (MemoryStretch stretch in stretches)
            {
                Span<byte> target = buffer.Slice(done, (int)stretch.Length);
                if (stretch.Origin == PageOrigin.Pages)
                {
                    using ImageFile pages = stack!.OpenPages(stretch.Level);
                    pages.ReadExactlyAt(stretch.FileOffset, target);
                }
                else if (stretch.Origin == PageOrigin.Zero)
                {
                    target.Clear();
                }
                else
                {
                    return (done, stretch.Origin);
                }

                done += target.Length;
            }
        }

        return (done, PageOrigin.Pages);
    }

    private PageStack? MapShared(in MappedArea area, ulong segment, ulong start, ulong end, List<MemoryStretch> stretches)
    {
        PageStack? stack = GetSharedPages(segment);
        if (stack is null)
        {
            stretches.Add(new MemoryStretch(start, end - start, PageOrigin.Zero, 0, 0));
            return null;
        }

        // A segment's pagemap has addresses relative to the start of the segment.
        ulong shift = area.Start - area.FileOffset;
        int first = stretches.Count;
        stack.Map(start - shift, end - shift, PageOrigin.Zero, stretches);
        for (int i = first; i < stretches.Count; i++)
        {
            stretches[i] = stretches[i] with { Address = stretches[i].Address + shift };
        }

        return stack;
    }
}
