using System.Collections.Concurrent;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Memory;

/// <summary>The memory of one process of an image: its areas, and where the bytes of each are.</summary>
internal sealed class ProcessMemory
{
    private readonly ImageSource _source;
    private readonly Func<uint, ulong?> _segmentOfMemFd;
    private readonly PageStack? _own;

    // A search goes on while its matches are looked at.
    private readonly ConcurrentDictionary<ulong, PageStack?> _shared = new();

    internal ProcessMemory(ImageSource source, int processId, AddressSpace space, Func<uint, ulong?> segmentOfMemFd)
    {
        _source = source;
        _segmentOfMemFd = segmentOfMemFd;
        ProcessId = processId;
        Space = space;
        _own = PageStack.Open(source, PageMap.NameFor(processId));
    }

    internal int ProcessId { get; }

    internal AddressSpace Space { get; }

    /// <summary>The process's private pages; null where it has none.</summary>
    internal PageStack? Own => _own;

    /// <summary>The shared segment that an area's content is in; null where the area has no such.</summary>
    internal ulong? SegmentOf(in MappedArea area)
    {
        if ((area.Status & AreaStatus.AnonymousShared) != 0)
        {
            return area.ShmId;
        }

        return (area.Status & AreaStatus.MemFd) != 0 && area.IsShared ? _segmentOfMemFd((uint)area.ShmId) : null;
    }

    /// <summary>A shared segment's pages; null where the image has none of them.</summary>
    internal PageStack? Shared(ulong segment) =>
        _shared.GetOrAdd(segment, static (each, source) => PageStack.Open(source, PageMap.NameForShared(each)), _source);

    /// <summary>Divides the part of an area within a range into stretches; the stack tells whose levels they mean.</summary>
    internal PageStack? Map(in MappedArea area, ulong start, ulong end, List<MemoryStretch> stretches)
    {
        if (SegmentOf(area) is { } segment)
        {
            return MapShared(area, segment, start, end, stretches);
        }

        bool isZero = (area.Status & AreaStatus.AnonymousPrivate) != 0;
        PageOrigin otherwise = isZero ? PageOrigin.Zero : PageOrigin.MappedFile;
        if (_own is null)
        {
            stretches.Add(new MemoryStretch(start, end - start, otherwise, 0, 0));
        }
        else
        {
            _own.Map(start, end, otherwise, stretches);
        }

        return _own;
    }

    /// <summary>Reads from an address on, up to a buffer's length; stops before the first byte that the image does not have.</summary>
    /// <returns>How many bytes were read, and where the next one is or would be.</returns>
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
        PageStack? stack = Shared(segment);
        if (stack is null)
        {
            stretches.Add(new MemoryStretch(start, end - start, PageOrigin.Zero, 0, 0));
            return null;
        }

        // A segment's pagemap counts addresses from the segment's beginning.
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
