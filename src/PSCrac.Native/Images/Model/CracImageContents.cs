using PSCrac.Images.Manifest;

namespace PSCrac;

/// <summary>
/// What images and their parts hold beside the few values that sum them up. Extension members, and no properties of the types: what writes
/// out all properties of an object (ConvertTo-Json, Export-Csv, a logger) writes the values, but neither long lists, nor memory, nor
/// an environment with its secrets.
/// </summary>
public static class CracImageContents
{
    extension(CracImage image)
    {
        /// <summary>The processes, parents before their children; the first is the root.</summary>
        public IReadOnlyList<CracImageProcess> Processes => image.Processes;

        /// <summary>The open files of all processes.</summary>
        public IReadOnlyList<CracImageFile> Files => image.Files;

        /// <summary>The sockets of all processes.</summary>
        public IReadOnlyList<CracImageSocket> Sockets => image.Sockets;

        /// <summary>The mapped areas of all processes.</summary>
        public IReadOnlyList<CracImageMemoryArea> MemoryAreas => image.MemoryAreas;

        /// <summary>The timers of all processes.</summary>
        public IReadOnlyList<CracImageTimer> Timers => image.Timers;

        /// <summary>The mounts of the mount namespaces that the image holds, parents first; empty where it holds none.</summary>
        public IReadOnlyList<CracImageMount> Mounts => image.Mounts;

        /// <summary>The namespaces that the processes were in.</summary>
        public IReadOnlyList<CracImageNamespace> Namespaces => image.Namespaces;

        /// <summary>The root's command line, an argument an element: from the manifest, else out of the dumped memory; empty where neither has it.</summary>
        public IReadOnlyList<string> CommandLine => image.CommandLine;

        /// <summary>The root's environment, out of the dumped memory; empty where the image does not have it.</summary>
        public IReadOnlyList<string> Environment => image.Environment;

        /// <summary>The CPU's feature flags by the names of /proc/cpuinfo: from the manifest; empty without one (see <c>Cpu</c>).</summary>
        public IReadOnlyList<string> CpuFeatures => image.CpuFeatures;

        /// <summary>What criu noted of the CPU; null unless it was told to (criu's option cpu-cap).</summary>
        public CracImageRecord? Cpu => image.Cpu;

        /// <summary>The ids of all processes, the root's first.</summary>
        public IReadOnlyList<int> ProcessIds => image.ProcessIds;

        /// <summary>The ids of all threads of all processes, the processes' own ids among them: what must be free for a restore.</summary>
        public IReadOnlyList<int> ThreadIds => image.ThreadIds;

        /// <summary>What PSCrac recorded beside criu's files; null for an image that criu or a JVM made without PSCrac.</summary>
        public ImageManifest? Manifest => image.Manifest;

        /// <summary>The machine the checkpoint was taken on; null without a manifest.</summary>
        public ImageManifestHost? Host => image.Host;

        /// <summary>The options the checkpoint was taken with, by criu's long option names; empty without a manifest.</summary>
        public IReadOnlyDictionary<string, object> Options => image.Options;

        /// <summary>What criu measured while it took the checkpoint; null where there is no stats-dump.</summary>
        public CracImageStatistics? Statistics => image.Statistics;

        /// <summary>The container, where the image is in a checkpoint archive of one; null where it is not.</summary>
        public CracContainer? Container => image.Container;
    }

    extension(CracImageProcess process)
    {
        /// <summary>The ids of the threads; the process's own id is one of them.</summary>
        public IReadOnlyList<int> ThreadIds => process.ThreadIds;

        /// <summary>The open descriptors in the order of their numbers, then working directory, root directory and executable.</summary>
        public IReadOnlyList<CracImageFile> Files => process.Files;

        /// <summary>The descriptors that are sockets.</summary>
        public IReadOnlyList<CracImageSocket> Sockets => process.Sockets;

        /// <summary>The mapped areas, in the order of their addresses; empty for a process that had ended.</summary>
        public IReadOnlyList<CracImageMemoryArea> MemoryAreas => process.MemoryAreas;

        /// <summary>The interval timers, POSIX timers and timer descriptors that were set.</summary>
        public IReadOnlyList<CracImageTimer> Timers => process.Timers;

        /// <summary>Whose rights the process had: its main thread's; null for a process that had ended.</summary>
        public CracImageCredentials? Credentials => process.Credentials;

        /// <summary>
        /// The command line, an argument an element, read out of the dumped memory: empty where the process had ended, or
        /// where the image does not have that part of its memory.
        /// </summary>
        public IReadOnlyList<string> CommandLine => process.CommandLine;

        /// <summary>The environment, "NAME=value" an element, as the process was started with it, read out of the dumped memory; empty as <c>CommandLine</c>.</summary>
        public IReadOnlyList<string> Environment => process.Environment;

        /// <summary>The process's core entry, decoded: registers, signals, limits and all else that criu noted of it.</summary>
        public CracImageRecord Details => process.Details;
    }

    extension(CracImageFile file)
    {
        /// <summary>The file's entry in files.img, with all that criu noted; null where the image has none.</summary>
        public CracImageRecord? Details => file.Details;
    }

    extension(CracImageSocket socket)
    {
        /// <summary>The socket's options, by criu's names; null where criu noted none.</summary>
        public CracImageRecord? Options => socket.Options;

        /// <summary>The socket's entry in files.img, with all that criu noted.</summary>
        public CracImageRecord Details => socket.Details;
    }

    extension(CracImageMount mount)
    {
        /// <summary>The mount's entry, with all that criu noted.</summary>
        public CracImageRecord Details => mount.Details;
    }

    extension(CracImageTimer timer)
    {
        /// <summary>All that criu noted.</summary>
        public CracImageRecord Details => timer.Details;
    }

    extension(CracImageNamespace space)
    {
        /// <summary>What criu noted of the namespace as a whole: host name, id maps, clocks, settings; null where it noted nothing.</summary>
        public CracImageRecord? Details => space.Details;
    }
}
