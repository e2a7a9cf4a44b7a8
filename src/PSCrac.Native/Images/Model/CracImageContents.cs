using PSCrac.Images.Manifest;

namespace PSCrac;

/// <summary>
/// Further members of images and their parts. They are extension members, not properties, so that commands that write
/// all properties of an object (ConvertTo-Json, Export-Csv, a logger) do not write long lists, memory or
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

        /// <summary>The mapped memory areas of all processes.</summary>
        public IReadOnlyList<CracImageMemoryArea> MemoryAreas => image.MemoryAreas;

        /// <summary>The timers of all processes.</summary>
        public IReadOnlyList<CracImageTimer> Timers => image.Timers;

        /// <summary>The mounts of the mount namespaces in the image, parents first; empty if there are none.</summary>
        public IReadOnlyList<CracImageMount> Mounts => image.Mounts;

        /// <summary>The namespaces of the processes.</summary>
        public IReadOnlyList<CracImageNamespace> Namespaces => image.Namespaces;

        /// <summary>The root's command line, one element per argument: from the manifest, else from the dumped memory; empty if neither has it.</summary>
        public IReadOnlyList<string> CommandLine => image.CommandLine;

        /// <summary>The root's environment, from the dumped memory; empty if the image does not have it.</summary>
        public IReadOnlyList<string> Environment => image.Environment;

        /// <summary>The CPU's feature flags, with the names of /proc/cpuinfo, from the manifest; empty without a manifest (see <c>Cpu</c>).</summary>
        public IReadOnlyList<string> CpuFeatures => image.CpuFeatures;

        /// <summary>criu's record of the CPU; null unless the checkpoint was taken with criu's option cpu-cap.</summary>
        public CracImageRecord? Cpu => image.Cpu;

        /// <summary>The ids of all processes, starting with the root.</summary>
        public IReadOnlyList<int> ProcessIds => image.ProcessIds;

        /// <summary>The ids of all threads of all processes, including the process ids: these must be free for a restore.</summary>
        public IReadOnlyList<int> ThreadIds => image.ThreadIds;

        /// <summary>PSCrac's manifest (pscrac.json); null for an image that criu or a JVM wrote without PSCrac.</summary>
        public ImageManifest? Manifest => image.Manifest;

        /// <summary>The host on which the checkpoint was taken; null without a manifest.</summary>
        public ImageManifestHost? Host => image.Host;

        /// <summary>The options of the checkpoint, by criu's long option names; empty without a manifest.</summary>
        public IReadOnlyDictionary<string, object> Options => image.Options;

        /// <summary>criu's statistics of the checkpoint; null if there is no stats-dump.</summary>
        public CracImageStatistics? Statistics => image.Statistics;

        /// <summary>The container, if the image is in a checkpoint archive of a container; else null.</summary>
        public CracContainer? Container => image.Container;

        /// <summary>
        /// The service whose image it is: the name of its folder, if the image is named by the time of its checkpoint (yyyyMMdd-HHmmss in
        /// UTC); null for another image.
        /// </summary>
        public string? ServiceName => image.ServiceName;

        /// <summary>Whether the memory is compressed (criu 4.3, -Compress). Its size in the files is then less than <see cref="CracImage.Memory"/>.</summary>
        public bool IsCompressed => image.IsCompressed;

        /// <summary>Whether the image is in an encrypted archive, of which only the name, the path, the size and the time can be read.</summary>
        public bool IsEncrypted => image.IsEncrypted;
    }

    extension(CracImageProcess process)
    {
        /// <summary>The ids of the threads, including the process id.</summary>
        public IReadOnlyList<int> ThreadIds => process.ThreadIds;

        /// <summary>The open descriptors, ordered by number, then the working directory, root directory and executable.</summary>
        public IReadOnlyList<CracImageFile> Files => process.Files;

        /// <summary>The descriptors that are sockets.</summary>
        public IReadOnlyList<CracImageSocket> Sockets => process.Sockets;

        /// <summary>The mapped memory areas, ordered by address; empty for a process that had ended.</summary>
        public IReadOnlyList<CracImageMemoryArea> MemoryAreas => process.MemoryAreas;

        /// <summary>The interval timers, POSIX timers and timer descriptors that were set.</summary>
        public IReadOnlyList<CracImageTimer> Timers => process.Timers;

        /// <summary>The credentials of the process's main thread; null for a process that had ended.</summary>
        public CracImageCredentials? Credentials => process.Credentials;

        /// <summary>
        /// The command line, one element per argument, from the dumped memory; empty if the process had ended or
        /// the image does not have that part of its memory.
        /// </summary>
        public IReadOnlyList<string> CommandLine => process.CommandLine;

        /// <summary>The initial environment, one "NAME=value" per element, from the dumped memory; empty in the same cases as <c>CommandLine</c>.</summary>
        public IReadOnlyList<string> Environment => process.Environment;

        /// <summary>The decoded core entry of the process: registers, signals, limits and more.</summary>
        public CracImageRecord Details => process.Details;
    }

    extension(CracImageFile file)
    {
        /// <summary>The file's decoded entry in files.img; null if the image has none.</summary>
        public CracImageRecord? Details => file.Details;
    }

    extension(CracImageSocket socket)
    {
        /// <summary>The socket's options, by criu's names; null if the image has none.</summary>
        public CracImageRecord? Options => socket.Options;

        /// <summary>The socket's decoded entry in files.img.</summary>
        public CracImageRecord Details => socket.Details;
    }

    extension(CracImageMount mount)
    {
        /// <summary>The mount's decoded entry.</summary>
        public CracImageRecord Details => mount.Details;
    }

    extension(CracImageTimer timer)
    {
        /// <summary>The timer's decoded entry.</summary>
        public CracImageRecord Details => timer.Details;
    }

    extension(CracImageNamespace space)
    {
        /// <summary>The namespace's decoded entry: host name, id maps, clocks, settings; null if the image has none.</summary>
        public CracImageRecord? Details => space.Details;
    }
}
