using PSCrac.Images.Format;
using PSCrac.Images.Memory;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>A process of an image. Its ids are read with the image's process tree, all else when it is asked for.</summary>
public sealed partial class CracImageProcess
{
    private readonly CracImage _image;
    private readonly ImageSource _source;

    // null for a process that had ended. As with the image's own, a failure to read is not kept.
    private readonly Lazy<PageMap?> _pages;
    private readonly Lazy<AddressSpace?> _space;
    private ProcessCore? _core;
    private int _descriptorCount = -1;

    private CracImageProcess(CracImage image, int processId, int parentProcessId, int processGroupId, int sessionId, int[] threadIds)
    {
        _image = image;
        _source = image.Source;
        ProcessId = processId;
        ParentProcessId = parentProcessId;
        ProcessGroupId = processGroupId;
        SessionId = sessionId;
        ThreadIds = threadIds;
        _pages = new(() => PageMap.Read(_source, PageMap.NameFor(ProcessId)), LazyThreadSafetyMode.PublicationOnly);
        _space = new(() => AddressSpace.Read(_source, ProcessId), LazyThreadSafetyMode.PublicationOnly);
    }

    /// <summary>The image it is in.</summary>
    internal CracImage Image => _image;

    /// <summary>The process id, as the process itself saw it.</summary>
    public int ProcessId { get; }

    /// <summary>The parent's process id; 0 for the root of the tree.</summary>
    public int ParentProcessId { get; }

    /// <summary>The id of the process group.</summary>
    public int ProcessGroupId { get; }

    /// <summary>The id of the session.</summary>
    public int SessionId { get; }

    /// <summary>The ids of the threads; the process's own id is one of them.</summary>
    internal IReadOnlyList<int> ThreadIds { get; }

    /// <summary>The name the kernel shows for the process (comm): at most 15 bytes.</summary>
    public string Command => Core.Command;

    /// <summary>The state the process was in.</summary>
    public CracProcessState State => Core.State;

    /// <summary>The status the process ended with, as wait(2) gives it; 0 where it had not ended.</summary>
    public int ExitCode => Core.ExitCode;

    /// <summary>How many descriptors the process had open.</summary>
    public int DescriptorCount => _descriptorCount >= 0 ? _descriptorCount : _descriptorCount = ReadDescriptors(null);

    /// <summary>How much of the process's private memory the image holds, in bytes; pages of a parent image are not counted.</summary>
    public long Memory => Pages?.PresentBytes ?? 0;

    /// <summary>The size of all mapped areas, in bytes, whether or not anything of them was dumped.</summary>
    public long VirtualMemory
    {
        get
        {
            ulong sum = 0;
            foreach (MappedArea area in AddressSpace is { } space ? space.Areas : [])
            {
                sum += area.Length;
            }

            return (long)Math.Min(sum, long.MaxValue);
        }
    }

    internal ProcessCore Core => _core ??= ProcessCore.Read(_source, ProcessId);

    internal PageMap? Pages => _pages.Value;

    /// <inheritdoc/>
    public override string ToString() => $"{Command} ({ProcessId})";

    /// <summary>The name of the first file of the process that is not in a directory, or has fewer pages than it should; null where all are there.</summary>
    internal string? FirstMissing(Dictionary<string, long> lengths)
    {
        foreach (int thread in ThreadIds)
        {
            if (!lengths.ContainsKey($"core-{(uint)thread}.img"))
            {
                return $"core-{(uint)thread}.img";
            }
        }

        if (State is CracProcessState.Dead or CracProcessState.Zombie)
        {
            return null;
        }

        foreach (string kind in (ReadOnlySpan<string>)["mm", "pagemap", "fs"])
        {
            if (!lengths.ContainsKey($"{kind}-{(uint)ProcessId}.img"))
            {
                return $"{kind}-{(uint)ProcessId}.img";
            }
        }

        string? table = Core.FilesId == 0 ? null : $"fdinfo-{Core.FilesId}.img";
        if (table is not null && !lengths.ContainsKey(table))
        {
            return table;
        }

        // Where pages are missing at its end criu does not fail, but reads on for ever.
        return Pages is { PresentPages: > 0 } pages && lengths.GetValueOrDefault(pages.PagesFile) < pages.PresentBytes ? pages.PagesFile : null;
    }

    /// <summary>Reads the process tree: pstree.img, which has parents before their children.</summary>
    internal static CracImageProcess[] ReadAll(CracImage image)
    {
        var processes = new List<CracImageProcess>();
        var threads = new List<uint>();
        using ImageEntryReader entries = image.Source.OpenEntries("pstree.img", ImageType.Pstree);
        entries.MoveToFirst();
        do
        {
            threads.Clear();
            processes.Add(Read(image, entries.Reader, threads));
        }
        while (entries.MoveNext());

        return [.. processes];
    }

    private static CracImageProcess Read(CracImage image, ProtobufReader entry, List<uint> threads)
    {
        int pid = 0;
        int ppid = 0;
        int pgid = 0;
        int sid = 0;
        while (entry.MoveNext())
        {
            switch (entry.Field)
            {
                case Wire.PstreeEntry.Pid:
                    pid = Id(ref entry);
                    break;
                case Wire.PstreeEntry.Ppid:
                    ppid = Id(ref entry);
                    break;
                case Wire.PstreeEntry.Pgid:
                    pgid = Id(ref entry);
                    break;
                case Wire.PstreeEntry.Sid:
                    sid = Id(ref entry);
                    break;
                case Wire.PstreeEntry.Threads:
                    entry.AddTo(threads);
                    break;
                default:
                    entry.Skip();
                    break;
            }
        }

        // criu 4.2 writes whatever was in its memory as the threads of a process that had ended. A live one is its own first thread.
        int[] ids = threads.Contains((uint)pid) ? [.. threads.ConvertAll(static id => (int)id)] : [pid];
        return new CracImageProcess(image, pid, ppid, pgid, sid, ids);
    }

    private static int Id(ref ProtobufReader entry)
    {
        uint id = entry.UInt32();
        if (id > int.MaxValue)
        {
            ImageFault.Corrupt(entry.File, entry.FieldOffset, $"{id} is not a process id");
        }

        return (int)id;
    }
}
