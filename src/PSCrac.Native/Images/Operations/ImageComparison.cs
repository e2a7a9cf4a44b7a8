using System.Buffers;
using PSCrac.Common;
using PSCrac.Images.Memory;

namespace PSCrac.Images.Operations;

/// <summary>
/// Compares two images, usually of one program: processes by id, descriptors by number, areas by
/// start address, memory page by page.
/// </summary>
internal static class ImageComparison
{
    private const int PageSize = 4096;
    private const int BufferSize = 64 * PageSize;

    /// <summary>Compares two images.</summary>
    /// <param name="before">The first image.</param>
    /// <param name="after">The second image.</param>
    /// <param name="withPages">Whether to compare the content of memory too, which reads all pages of both images.</param>
    /// <param name="cancellation">Cancels the comparison.</param>
    /// <returns>The differences, as they are found: first processes, then the differences of each process, last the total of changed memory.</returns>
    /// <exception cref="CracException">One of the images is damaged.</exception>
    internal static IEnumerable<CracImageDifference> Compare(
        CracImage before, CracImage after, bool withPages = true, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        return Find(before, after, withPages, cancellation).WithContext(CracOperation.Compare, after.Path);
    }

    private static IEnumerable<CracImageDifference> Find(CracImage before, CracImage after, bool withPages, CancellationToken cancellation)
    {
        var common = new List<(CracImageProcess Before, CracImageProcess After)>();
        foreach (CracImageProcess old in before.Processes)
        {
            if (after.FindProcess(old.ProcessId) is not { } same)
            {
                yield return new(CracDifferenceKind.Process, CracChange.Removed, old.ProcessId, old.Command, old.State.ToString(), null, 0);
                continue;
            }

            common.Add((old, same));
            if (old.Command != same.Command || old.State != same.State)
            {
                yield return new(
                    CracDifferenceKind.Process, CracChange.Changed, old.ProcessId, same.Command, $"{old.Command} {old.State}", $"{same.Command} {same.State}", 0);
            }
        }

        foreach (CracImageProcess added in after.Processes)
        {
            if (before.FindProcess(added.ProcessId) is null)
            {
                yield return new(CracDifferenceKind.Process, CracChange.Added, added.ProcessId, added.Command, null, added.State.ToString(), 0);
            }
        }

        (long allChanged, long allSame) = (0, 0);
        foreach ((CracImageProcess old, CracImageProcess now) in common)
        {
            foreach (CracImageDifference difference in CompareDescriptors(old, now))
            {
                yield return difference;
            }

            foreach (CracImageDifference difference in CompareAreas(old, now))
            {
                yield return difference;
            }

            if (withPages)
            {
                (long changed, long unchanged) = ComparePages(old, now, cancellation);
                (allChanged, allSame) = (allChanged + changed, allSame + unchanged);
                if (changed > 0)
                {
                    yield return Pages(CracDifferenceKind.Pages, now.ProcessId, now.Command, changed, unchanged);
                }
            }
        }

        if (allChanged > 0)
        {
            yield return Pages(CracDifferenceKind.AllPages, 0, "all processes", allChanged, allSame);
        }
    }

    private static CracImageDifference Pages(CracDifferenceKind kind, int processId, string subject, long changed, long same) =>
        new(kind, CracChange.Changed, processId, subject, $"{same} pages unchanged", $"{changed} pages changed", changed * PageSize);

    private static IEnumerable<CracImageDifference> CompareDescriptors(CracImageProcess before, CracImageProcess after)
    {
        var old = new Dictionary<int, CracImageFile>();
        foreach (CracImageFile file in before.Files)
        {
            old[file.Descriptor ?? -(int)file.Role] = file;
        }

        foreach (CracImageFile file in after.Files)
        {
            int key = file.Descriptor ?? -(int)file.Role;
            CracDifferenceKind kind = file.Kind is CracFileKind.InetSocket or CracFileKind.UnixSocket or CracFileKind.NetlinkSocket or CracFileKind.PacketSocket
                ? CracDifferenceKind.Socket
                : CracDifferenceKind.File;
            string what = Describe(file, after);
            if (!old.Remove(key, out CracImageFile? same))
            {
                yield return new(kind, CracChange.Added, after.ProcessId, Subject(file), null, what, 0);
            }
            else if (Describe(same, before) is var was && was != what)
            {
                yield return new(kind, CracChange.Changed, after.ProcessId, Subject(file), was, what, 0);
            }
        }

        foreach (CracImageFile removed in old.Values)
        {
            yield return new(CracDifferenceKind.File, CracChange.Removed, before.ProcessId, Subject(removed), Describe(removed, before), null, 0);
        }
    }

    private static string Subject(CracImageFile file) => file.Descriptor is { } number ? number.ToString() : file.Role.ToString();

    private static string Describe(CracImageFile file, CracImageProcess process)
    {
        foreach (CracImageSocket socket in file.Descriptor is null ? [] : process.Sockets)
        {
            if (socket.Descriptor == file.Descriptor)
            {
                return $"{socket.Family} {socket.Protocol} {socket.State} {socket.Local} {socket.Remote}".TrimEnd();
            }
        }

        // The numbers of pipes and similar objects change with each restore and are left out.
        string path = file.Path.Contains(":[", StringComparison.Ordinal) ? "" : file.Path;
        return $"{file.Kind} {path} {file.Flags}{(file.Position is { } position ? $" at {position}" : "")}";
    }

    private static IEnumerable<CracImageDifference> CompareAreas(CracImageProcess before, CracImageProcess after)
    {
        var old = new Dictionary<ulong, CracImageMemoryArea>();
        foreach (CracImageMemoryArea area in before.MemoryAreas)
        {
            old[area.Start] = area;
        }

        foreach (CracImageMemoryArea area in after.MemoryAreas)
        {
            if (!old.Remove(area.Start, out CracImageMemoryArea? same))
            {
                yield return new(CracDifferenceKind.MemoryArea, CracChange.Added, after.ProcessId, Subject(area), null, area.ToString(), area.Size);
            }
            else if (same.ToString() is var was && was != area.ToString())
            {
                yield return new(CracDifferenceKind.MemoryArea, CracChange.Changed, after.ProcessId, Subject(area), was, area.ToString(), area.Size - same.Size);
            }
        }

        foreach (CracImageMemoryArea removed in old.Values)
        {
            yield return new(CracDifferenceKind.MemoryArea, CracChange.Removed, before.ProcessId, Subject(removed), removed.ToString(), null, -removed.Size);
        }
    }

    // A file may be mapped in many areas, so its areas are named by address; the heap and the stack are named by path.
    private static string Subject(CracImageMemoryArea area) => area.Path is ['[', ..] path ? path : $"0x{area.Start:x}";

    /// <summary>Counts the pages of the second image that are missing or different in the first.</summary>
    private static (long Changed, long Same) ComparePages(CracImageProcess before, CracImageProcess after, CancellationToken cancellation)
    {
        if (before.DumpedMemory is not { } old || after.DumpedMemory is not { } now)
        {
            return default;
        }

        long changed = 0;
        long same = 0;
        byte[] left = ArrayPool<byte>.Shared.Rent(BufferSize);
        byte[] right = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            var stretches = new List<MemoryStretch>();
            foreach (MappedArea area in now.Space.Areas)
            {
                stretches.Clear();
                now.Map(area, area.Start, area.End, stretches);
                foreach (MemoryStretch stretch in stretches)
                {
                    if (stretch.Origin == PageOrigin.Pages)
                    {
                        Count(old, now, stretch, left, right, ref changed, ref same, cancellation);
                    }
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(left);
            ArrayPool<byte>.Shared.Return(right);
        }

        return (changed, same);
    }

    private static void Count(
        ProcessMemory old, ProcessMemory now, MemoryStretch stretch, byte[] left, byte[] right, ref long changed, ref long same, CancellationToken cancellation)
    {
        for (ulong at = stretch.Address; at < stretch.End;)
        {
            cancellation.ThrowIfCancellationRequested();
            int size = (int)Math.Min(BufferSize, stretch.End - at);
            now.Read(at, right.AsSpan(0, size));
            int available = old.Read(at, left.AsSpan(0, size)).Read;
            for (int page = 0; page < size; page += PageSize)
            {
                int length = Math.Min(PageSize, size - page);
                bool equal = page + length <= available && left.AsSpan(page, length).SequenceEqual(right.AsSpan(page, length));
                changed += equal ? 0 : 1;
                same += equal ? 1 : 0;
            }

            at += (ulong)size;
        }
    }
}
