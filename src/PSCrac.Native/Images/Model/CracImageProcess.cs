using System.Runtime.InteropServices;
using PSCrac.Images.Format;
using PSCrac.Images.Memory;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>A process in an image. Its ids are read with the process tree, everything else on first use.</summary>
public sealed partial class CracImageProcess
{
    /// <summary>The most processes of an image. Each has at least three files, and of those there are at most <see cref="NameBudget.MaximumImageFiles"/>.</summary>
    internal const int MaximumProcesses = 1 << 16;

    /// <summary>The most threads of an image.</summary>
    internal const int MaximumThreads = 1 << 20;

    private readonly CracImage _image;
    private readonly ImageSource _source;

    // null for a process that had ended. As in CracImage, failures are not cached.
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
        _pages = new(ReadPages, LazyThreadSafetyMode.PublicationOnly);
        _space = new(ReadSpace, LazyThreadSafetyMode.PublicationOnly);
    }

    /// <summary>The image of the process.</summary>
    internal CracImage Image => _image;

    /// <summary>The process id in the innermost pid namespace of the process.</summary>
    public int ProcessId { get; }

    /// <summary>The parent's process id; 0 for the root of the tree.</summary>
    public int ParentProcessId { get; }

    /// <summary>The process group id.</summary>
    public int ProcessGroupId { get; }

    /// <summary>The session id.</summary>
    public int SessionId { get; }

    /// <summary>The ids of the threads, including the process id.</summary>
    internal IReadOnlyList<int> ThreadIds { get; }

    /// <summary>The command name that the kernel shows for the process (comm), at most 15 bytes.</summary>
    public string Command => Core.Command;

    /// <summary>The state of the process.</summary>
    public CracProcessState State => Core.State;

    /// <summary>The exit status, as wait(2) encodes it; 0 if the process had not ended.</summary>
    public int ExitCode => Core.ExitCode;

    /// <summary>The number of open descriptors.</summary>
    public int DescriptorCount => _descriptorCount >= 0 ? _descriptorCount : _descriptorCount = ReadDescriptors(null);

    /// <summary>The size of the process's private memory in the image, in bytes, without pages in a parent image.</summary>
    public long Memory => Pages?.PresentBytes ?? 0;

    /// <summary>The size of all mapped areas, in bytes, dumped or not.</summary>
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

    /// <summary>The first file of the process that is missing from a directory, or is too short for its pages; null if there is none.</summary>
    internal string? FindMissingFile(Dictionary<string, long> lengths)
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

        // If pages are missing at the end, criu does not fail, but reads in an endless loop.
        return Pages is { PresentPages: > 0 } pages && lengths.GetValueOrDefault(pages.PagesFile) < pages.StoredBytes ? pages.PagesFile : null;
    }

    /// <summary>Reads the process tree from pstree.img, which lists parents before their children.</summary>
    internal static CracImageProcess[] ReadAll(CracImage image)
    {
        var processes = new List<CracImageProcess>();
        var threads = new List<uint>();
        using ImageEntryReader entries = image.Source.OpenEntries("pstree.img", ImageType.Pstree);
        int threadCount = 0;
        entries.MoveToFirst();
        do
        {
            threads.Clear();
            CracImageProcess process = Read(image, entries.Reader, threads, MaximumThreads - threadCount);
            threadCount += process.ThreadIds.Count;
            processes.Add(process);
            if (processes.Count > MaximumProcesses || threadCount > MaximumThreads)
            {
                ImageFault.Corrupt(
                    entries.File,
                    entries.MessageOffset,
                    $"it has more than {MaximumProcesses} processes or {MaximumThreads} threads, the most that are read");
            }
        }
        while (entries.MoveNext());

        return [.. processes];
    }

    private static CracImageProcess Read(CracImage image, ProtobufReader entry, List<uint> threads, int maximumThreads)
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
                    pid = ReadId(ref entry);
                    break;
                case Wire.PstreeEntry.Ppid:
                    ppid = ReadId(ref entry);
                    break;
                case Wire.PstreeEntry.Pgid:
                    pgid = ReadId(ref entry);
                    break;
                case Wire.PstreeEntry.Sid:
                    sid = ReadId(ref entry);
                    break;
                case Wire.PstreeEntry.Threads:
                    entry.AddTo(threads, maximumThreads);
                    break;
                default:
                    entry.Skip();
                    break;
            }
        }

        entry.RequireFields(Wire.PstreeEntry.Required);
        if (pid == 0)
        {
            ImageFault.Corrupt(entry.File, entry.Offset, "0 is not the id of a process");
        }

        // criu 4.2 writes uninitialized memory as the thread ids of a process that had ended. The list of a live process contains its own id.
        int[] ids = threads.Contains((uint)pid) ? MemoryMarshal.Cast<uint, int>(CollectionsMarshal.AsSpan(threads)).ToArray() : [pid];
        return new CracImageProcess(image, pid, ppid, pgid, sid, ids);
    }

    private PageMap? ReadPages()
    {
        string name = PageMap.NameFor(ProcessId);
        PageMap? pages = PageMap.Read(_source, name);
        _image.Keep(pages?.KeptBytes ?? 0, name);
        return pages;
    }

    private AddressSpace? ReadSpace()
    {
        AddressSpace? space = AddressSpace.Read(_source, ProcessId);
        _image.Keep((long)(space?.Areas.Length ?? 0) * AddressSpace.AreaSize, $"mm-{(uint)ProcessId}.img");
        return space;
    }

    private static int ReadId(ref ProtobufReader entry)
    {
        uint id = entry.ReadUInt32();
        if (id > int.MaxValue)
        {
            ImageFault.Corrupt(entry.File, entry.FieldOffset, $"{id} is not a valid process id");
        }

        return (int)id;
    }
}
