using System.Globalization;
using PSCrac.Images.Memory;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Operations;

internal sealed partial class MemorySearch
{
    private const string SegmentPrefix = "pagemap-shmem-";

    /// <summary>A shared memory segment: the areas that map it, and the processes that have it open as a memfd.</summary>
    private sealed class Segment
    {
        internal List<(CracImageProcess Process, MappedArea Area)> Areas { get; } = [];

        internal List<(CracImageProcess Process, string Path)> Holders { get; } = [];
    }

    /// <summary>Searches each shared memory segment in the image once.</summary>
    private IEnumerable<CracMemoryMatch> SearchSegments(CancellationToken cancellation)
    {
        SortedDictionary<ulong, Segment> segments = FindSegments();
        foreach ((ulong id, Segment segment) in segments)
        {
            if (PageStack.Open(_image.Source, PageMap.NameForShared(id)) is not { } stack)
            {
                continue;
            }

            foreach ((ulong offset, int length) in Search(stack, cancellation))
            {
                foreach (CracMemoryMatch match in Describe(segment, stack, offset, length))
                {
                    yield return match;
                }
            }
        }
    }

    private IEnumerable<CracMemoryMatch> Describe(Segment segment, PageStack stack, ulong offset, int length)
    {
        bool isMapped = false;
        foreach ((CracImageProcess process, MappedArea area) in segment.Areas)
        {
            if (offset >= area.FileOffset && offset - area.FileOffset < area.Length)
            {
                isMapped = true;
                yield return Describe(process, area.Start + (offset - area.FileOffset), length);
            }
        }

        if (isMapped)
        {
            yield break;
        }

        (byte[] context, int start) = ReadContext(stack, offset, length);
        foreach ((CracImageProcess process, string path) in segment.Holders)
        {
            yield return new CracMemoryMatch(_image, process, path, offset, length, context, start);
        }

        if (segment.Holders.Count == 0 && segment.Areas.Count > 0)
        {
            // Other parts of the segment are mapped: a process that maps one part can map all of it.
            yield return new CracMemoryMatch(_image, segment.Areas[0].Process, "[shmem]", offset, length, context, start);
        }
        else if (segment.Holders.Count == 0)
        {
            yield return new CracMemoryMatch(_image, null, "[sysv]", offset, length, context, start);
        }
    }

    /// <summary>The segments of the searched processes and, if all processes are searched, the segments of no process.</summary>
    private SortedDictionary<ulong, Segment> FindSegments()
    {
        var segments = new SortedDictionary<ulong, Segment>();
        bool hasMemfds = _image.Source.Contains("memfd.img");
        foreach (CracImageProcess process in SearchedProcesses())
        {
            ProcessMemory memory = process.DumpedMemory!;
            foreach (MappedArea area in memory.Space.Areas)
            {
                if (memory.FindSegment(area) is { } id)
                {
                    Get(segments, id).Areas.Add((process, area));
                }
            }

            foreach (CracImageFile file in hasMemfds ? process.Files : [])
            {
                if (file.Kind == CracFileKind.MemFd && _image.OpenFiles.FindSharedMemory((uint)file.Id) is { } id)
                {
                    List<(CracImageProcess Process, string Path)> holders = Get(segments, id).Holders;
                    if (holders.Count == 0 || holders[^1].Process != process)
                    {
                        holders.Add((process, file.Path));
                    }
                }
            }
        }

        foreach (ImageFileInfo file in _processes is null ? _image.Source.Files : [])
        {
            if (file.Name.StartsWith(SegmentPrefix, StringComparison.Ordinal) && file.Name.EndsWith(".img", StringComparison.Ordinal)
                && ulong.TryParse(file.Name.AsSpan(SegmentPrefix.Length, file.Name.Length - SegmentPrefix.Length - 4), NumberStyles.None, CultureInfo.InvariantCulture, out ulong id))
            {
                Get(segments, id);
            }
        }

        return segments;
    }

    private static Segment Get(SortedDictionary<ulong, Segment> segments, ulong id)
    {
        if (!segments.TryGetValue(id, out Segment? segment))
        {
            segments[id] = segment = new Segment();
        }

        return segment;
    }

    /// <summary>Reads a match with the surrounding bytes in its segment, as far as the image has them.</summary>
    private (byte[] Bytes, int Start) ReadContext(PageStack stack, ulong offset, int length)
    {
        ulong first = offset - Math.Min(offset, (ulong)_context);
        var stretches = new List<MemoryStretch>();
        ulong end = offset + (ulong)length;
        stack.Map(first, end + Math.Min((ulong)_context, ulong.MaxValue - end), PageOrigin.Unmapped, stretches);
        using var bytes = new MemoryStream();
        foreach (MemoryStretch stretch in stretches)
        {
            if (stretch.Origin == PageOrigin.Pages)
            {
                byte[] part = new byte[(int)stretch.Length];
                using ImageFile pages = stack.OpenPages(stretch.Level);
                pages.ReadExactlyAt(stretch.FileOffset, part);
                bytes.Write(part);
            }
            else if (stretch.End <= offset)
            {
                // Bytes before a gap do not surround the match.
                bytes.SetLength(0);
                first = stretch.End;
            }
            else
            {
                break;
            }
        }

        return (bytes.ToArray(), (int)(offset - first));
    }
}
