using PSCrac.Images.Format;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;

namespace PSCrac;

public sealed partial class CracImage
{
    private OpenFileTable? _openFiles;
    private IReadOnlyList<CracImageFile>? _files;
    private IReadOnlyList<CracImageSocket>? _sockets;
    private IReadOnlyList<CracImageMemoryArea>? _areas;
    private IReadOnlyList<CracImageTimer>? _timers;
    private IReadOnlyList<CracImageMount>? _mounts;
    private IReadOnlyList<CracImageNamespace>? _namespaces;
    private IReadOnlyList<string>? _commandLine;
    private IReadOnlyDictionary<uint, (string Type, uint Id)>? _remaps;

    /// <summary>How criu reopens the files whose paths were unlinked at the checkpoint: remap-fpath.img, by the file's id.</summary>
    internal IReadOnlyDictionary<uint, (string Type, uint Id)> Remaps => _remaps ??= ReadRemaps(_source);

    /// <summary>Whether files are reopened by helper links, which a restore consumes (criu's files-reg.c).</summary>
    internal bool HasHelperLinks => Remaps.Values.Any(static remap => remap.Type == "LINKED");

    /// <summary>The open files of all processes.</summary>
    internal IReadOnlyList<CracImageFile> Files => _files ??= Collect(static process => process.Files);

    /// <summary>The sockets of all processes.</summary>
    internal IReadOnlyList<CracImageSocket> Sockets => _sockets ??= Collect(static process => process.Sockets);

    /// <summary>The mapped memory areas of all processes.</summary>
    internal IReadOnlyList<CracImageMemoryArea> MemoryAreas => _areas ??= Collect(static process => process.MemoryAreas);

    /// <summary>The timers of all processes.</summary>
    internal IReadOnlyList<CracImageTimer> Timers => _timers ??= Collect(static process => process.Timers);

    /// <summary>The mounts of the mount namespaces in the image, parents first; empty if there are none.</summary>
    internal IReadOnlyList<CracImageMount> Mounts => _mounts ??= CracImageMount.ReadAll(_source);

    /// <summary>The namespaces of the processes.</summary>
    internal IReadOnlyList<CracImageNamespace> Namespaces => _namespaces ??= CracImageNamespace.ReadAll(_source, Processes);

    /// <summary>The root's command line, one element per argument: from the manifest, else from the dumped memory; empty if neither has it.</summary>
    internal IReadOnlyList<string> CommandLine =>
        _commandLine ??= Manifest is { Process.Command: { Count: > 0 } command } ? command : Processes[0].CommandLine;

    /// <summary>The root's environment, from the dumped memory; empty if the image does not have it.</summary>
    internal IReadOnlyList<string> Environment => Processes[0].Environment;

    /// <summary>The CPU's feature flags, with the names of /proc/cpuinfo, from the manifest; empty without a manifest (see <see cref="Cpu"/>).</summary>
    internal IReadOnlyList<string> CpuFeatures => Manifest?.Host.CpuFeatures ?? [];

    /// <summary>criu's record of the CPU; null unless the checkpoint was taken with criu's option cpu-cap.</summary>
    internal CracImageRecord? Cpu => _cpu.Value;

    internal OpenFileTable OpenFiles => _openFiles ??= new OpenFileTable(_source);

    /// <summary>Finds a process by its id.</summary>
    /// <param name="processId">The process id in the image.</param>
    /// <returns>The process; null if the image has no process with this id.</returns>
    public CracImageProcess? FindProcess(int processId)
    {
        foreach (CracImageProcess process in Processes)
        {
            if (process.ProcessId == processId)
            {
                return process;
            }
        }

        return null;
    }

    /// <summary>Gets a process by its id.</summary>
    /// <param name="processId">The process id in the image; null for the root.</param>
    /// <exception cref="CracException">The image has no process with this id (ProcessNotFound).</exception>
    public CracImageProcess GetProcess(int? processId)
    {
        int id = processId ?? RootProcessId;
        return FindProcess(id) ?? throw ProcessNotFound(id);
    }

    private static CracImageRecord? ReadCpu(ImageSource source)
    {
        CracImageRecord? last = null;
        foreach (CracImageRecord cpu in source.ReadRecords("cpuinfo.img", ImageType.Cpuinfo))
        {
            last = cpu;
        }

        return last;
    }

    private T[] Collect<T>(Func<CracImageProcess, IReadOnlyList<T>> select)
    {
        var all = new List<T>();
        foreach (CracImageProcess process in Processes)
        {
            all.AddRange(select(process));
        }

        return [.. all];
    }

    /// <summary>The exception for a process id that the image does not have.</summary>
    internal CracException ProcessNotFound(int processId) =>
        new(
            CracReason.ProcessNotFound,
            $"The image {Path} has no process {processId}.",
            $"Its processes are: {string.Join(", ", ProcessIds.Take(20))}{(ProcessIds.Count > 20 ? $" and {ProcessIds.Count - 20} more; see the image's Processes" : "")}.")
        {
            ProcessId = processId,
            ImagePath = Path,
        };

    private static Dictionary<uint, (string Type, uint Id)> ReadRemaps(ImageSource source)
    {
        var remaps = new Dictionary<uint, (string, uint)>();
        foreach (CracImageRecord remap in source.ReadRecords("remap-fpath.img", ImageType.RemapFpath))
        {
            remaps[(uint)remap.GetNumber("orig_id")] = (remap.GetText("remap_type") ?? "LINKED", (uint)remap.GetNumber("remap_id"));
        }

        return remaps;
    }
}
