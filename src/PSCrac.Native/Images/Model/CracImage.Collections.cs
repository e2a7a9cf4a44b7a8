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

    /// <summary>The open files of all processes.</summary>
    internal IReadOnlyList<CracImageFile> Files => _files ??= Collect(static process => process.Files);

    /// <summary>The sockets of all processes.</summary>
    internal IReadOnlyList<CracImageSocket> Sockets => _sockets ??= Collect(static process => process.Sockets);

    /// <summary>The mapped areas of all processes.</summary>
    internal IReadOnlyList<CracImageMemoryArea> MemoryAreas => _areas ??= Collect(static process => process.MemoryAreas);

    /// <summary>The timers of all processes.</summary>
    internal IReadOnlyList<CracImageTimer> Timers => _timers ??= Collect(static process => process.Timers);

    /// <summary>The mounts of the mount namespaces that the image holds, parents first; empty where it holds none.</summary>
    internal IReadOnlyList<CracImageMount> Mounts => _mounts ??= CracImageMount.ReadAll(_source);

    /// <summary>The namespaces that the processes were in.</summary>
    internal IReadOnlyList<CracImageNamespace> Namespaces => _namespaces ??= CracImageNamespace.ReadAll(_source, Processes);

    /// <summary>The root's command line, an argument an element: from the manifest, else out of the dumped memory; empty where neither has it.</summary>
    internal IReadOnlyList<string> CommandLine =>
        _commandLine ??= Manifest is { Process.Command: { Count: > 0 } command } ? command : Processes[0].CommandLine;

    /// <summary>The root's environment, out of the dumped memory; empty where the image does not have it.</summary>
    internal IReadOnlyList<string> Environment => Processes[0].Environment;

    /// <summary>The CPU's feature flags by the names of /proc/cpuinfo: from the manifest; empty without one (see <see cref="Cpu"/>).</summary>
    internal IReadOnlyList<string> CpuFeatures => Manifest?.Host.CpuFeatures ?? [];

    /// <summary>What criu noted of the CPU; null unless it was told to (criu's option cpu-cap).</summary>
    internal CracImageRecord? Cpu => _cpu.Value;

    internal OpenFileTable OpenFiles => _openFiles ??= new OpenFileTable(_source);

    /// <summary>Finds a process.</summary>
    /// <param name="processId">Its id.</param>
    /// <returns>The process; null where the image has none of that id.</returns>
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

    /// <summary>Finds a process that must be there.</summary>
    /// <param name="processId">Its id; null for the root's.</param>
    /// <exception cref="CracException">The image has none of that id (ProcessNotFound).</exception>
    public CracImageProcess GetProcess(int? processId)
    {
        int id = processId ?? RootProcessId;
        return FindProcess(id) ?? throw NoProcess(id);
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

    private T[] Collect<T>(Func<CracImageProcess, IReadOnlyList<T>> of)
    {
        var all = new List<T>();
        foreach (CracImageProcess process in Processes)
        {
            all.AddRange(of(process));
        }

        return [.. all];
    }

    /// <summary>What is thrown where the image has no process of an id.</summary>
    internal CracException NoProcess(int processId) =>
        new(
            CracReason.ProcessNotFound,
            $"The image {Path} has no process {processId}.",
            $"It has: {string.Join(", ", ProcessIds.Take(20))}{(ProcessIds.Count > 20 ? $" and {ProcessIds.Count - 20} more; see its Processes" : "")}.")
        {
            ProcessId = processId,
            ImagePath = Path,
        };
}
