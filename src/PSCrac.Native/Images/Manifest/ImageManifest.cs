using System.Text.Json.Serialization;

namespace PSCrac.Images.Manifest;

/// <summary>The content of pscrac.json, which describes the image it is in. Times are UTC, sizes are bytes.</summary>
public sealed partial record ImageManifest
{
    /// <summary>The manifest's file name in an image.</summary>
    public const string FileName = "pscrac.json";

    /// <summary>The file name of a signature over the manifest, in the same image.</summary>
    public const string SignatureFileName = FileName + ".sig";

    /// <summary>The format version that this PSCrac writes, and the newest that it reads.</summary>
    public const int CurrentFormat = 1;

    /// <summary>The format version, from 1.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>When the checkpoint was sealed.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>The host on which the checkpoint was taken.</summary>
    public required ImageManifestHost Host { get; init; }

    /// <summary>What was checkpointed.</summary>
    public required ImageManifestProcess Process { get; init; }

    /// <summary>How Start-CracProcess started the program; null where it did not start it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImageManifestStart? Start { get; init; }

    /// <summary>
    /// The SHA-256 of the manifest of the image that the root was restored from, in lower-case hexadecimal; null if it was not restored,
    /// or from an image without a manifest. A store finds by it what a later image has in common with that one.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? RestoredFrom { get; init; }

    /// <summary>What took the checkpoint: "criu" or "jvm".</summary>
    public string Engine { get; init; } = "criu";

    /// <summary>The version of criu, such as "4.2.1"; null if unknown.</summary>
    public string? CriuVersion { get; init; }

    /// <summary>Whether the process was left running after the checkpoint.</summary>
    public bool LeaveRunning { get; init; }

    /// <summary>Whether the image can be restored only once, because a restore consumes the helper links of link-remap.</summary>
    public bool OneShot { get; init; }

    /// <summary>Files outside the directory that belong to the image: the helper links of link-remap.</summary>
    public IReadOnlyList<ImageManifestOutsideFile> OutsideFiles { get; init; } = [];

    /// <summary>Files whose content the image holds and that a restore puts back where they are missing: the performance counters of HotSpot JVMs.</summary>
    public IReadOnlyList<ImageManifestKeptFile> KeptFiles { get; init; } = [];

    /// <summary>
    /// The options of the checkpoint, by criu's long option names, such as "tcp-established".
    /// A value is a <see cref="bool"/>, <see cref="long"/>, <see cref="double"/>, <see cref="string"/> or an object array of those.
    /// </summary>
    [JsonConverter(typeof(ImageManifestOptionsConverter))]
    public IReadOnlyDictionary<string, object> Options { get; init; } = new Dictionary<string, object>();

    /// <summary>The options that were chosen automatically, and why.</summary>
    public IReadOnlyList<ImageManifestChoice> Automatic { get; init; } = [];

    /// <summary>Full paths of the criu configuration files that were in effect.</summary>
    public IReadOnlyList<string> ConfigurationFiles { get; init; } = [];

    /// <summary>What a restore loses or changes, as the checkpoint knew it beforehand; sentences.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>The image's files, ordered by name, without the manifest.</summary>
    public IReadOnlyList<ImageManifestFile> Files { get; init; } = [];
}

/// <summary>The machine a checkpoint was taken on.</summary>
public sealed record ImageManifestHost
{
    /// <summary>The host name.</summary>
    public required string Name { get; init; }

    /// <summary>The content of /etc/machine-id; null if there is none.</summary>
    public string? MachineId { get; init; }

    /// <summary>The content of /proc/sys/kernel/random/boot_id; null if it could not be read.</summary>
    public string? BootId { get; init; }

    /// <summary>The kernel's release, as <c>uname -r</c> prints it.</summary>
    public string? Kernel { get; init; }

    /// <summary>The architecture, as <c>uname -m</c> prints it.</summary>
    public string? Architecture { get; init; }

    /// <summary>The CPU's feature flags, as /proc/cpuinfo lists them.</summary>
    public IReadOnlyList<string> CpuFeatures { get; init; } = [];

    /// <summary>The IP addresses of the host.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];
}

/// <summary>What was checkpointed.</summary>
public sealed record ImageManifestProcess
{
    /// <summary>The process id of the tree's root, in its own pid namespace.</summary>
    public required int RootPid { get; init; }

    /// <summary>The root's process id in the pid namespace of the caller; null if both were in the same pid namespace.</summary>
    public int? HostPid { get; init; }

    /// <summary>The root's command line, one element per argument.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>The full path of the root's executable; null if it could not be read.</summary>
    public string? Executable { get; init; }

    /// <summary>The root's working directory; null if it could not be read.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>The threads that have attributes of their own that criu does not keep.</summary>
    public IReadOnlyList<ImageManifestThread> Threads { get; init; } = [];

    /// <summary>
    /// Unix sockets whose files were renamed after they were bound: the paths by the names that they were bound to, absolute both. criu
    /// binds them to those names, and a restore renames the files.
    /// </summary>
    public IReadOnlyDictionary<string, string> RenamedSockets { get; init; } = new Dictionary<string, string>();

    /// <summary>The number of processes in the tree.</summary>
    public int ProcessCount { get; init; }

    /// <summary>The number of threads in the tree.</summary>
    public int ThreadCount { get; init; }

    /// <summary>The tree's resident memory when the checkpoint began, in bytes.</summary>
    public long Memory { get; init; }
}

/// <summary>An option that was chosen automatically.</summary>
/// <param name="Option">criu's long option name, such as "shell-job".</param>
/// <param name="Value">The value as text; null for an option without a value.</param>
/// <param name="Reason">The reason, as a sentence for the user.</param>
public sealed record ImageManifestChoice(string Option, string? Value, string Reason);

/// <summary>One file of an image when it was sealed.</summary>
/// <param name="Name">The file's name.</param>
/// <param name="Size">The file's size, in bytes.</param>
/// <param name="Sha256">The SHA-256 of its content in lower-case hexadecimal; null for pages files and other large files, unless the image was signed.</param>
public sealed record ImageManifestFile(string Name, long Size, string? Sha256);

/// <summary>A helper link of link-remap: a name that criu gave to an unlinked file in the file's folder, until the restore.</summary>
/// <param name="Path">Its full path.</param>
/// <param name="Inode">The file's inode number.</param>
/// <param name="UserId">The file's owner.</param>
public sealed record ImageManifestOutsideFile(string Path, ulong Inode, uint UserId)
{
    internal const string HelperLinkPrefix = "link_remap.";

    /// <summary>Whether a file name is one that criu gives to a helper link (create_link_remap in criu's files-reg.c).</summary>
    internal static bool IsHelperLinkName(ReadOnlySpan<char> name) =>
        name.StartsWith(HelperLinkPrefix, StringComparison.Ordinal)
        && name.Length > HelperLinkPrefix.Length
        && !name[HelperLinkPrefix.Length..].ContainsAnyExceptInRange('0', '9');
}

/// <summary>A file whose content the image holds.</summary>
/// <param name="Path">Its full path.</param>
/// <param name="Name">The name of the image's file with the content.</param>
/// <param name="UserId">The file's owner.</param>
/// <param name="GroupId">The file's group.</param>
/// <param name="Mode">The permission bits.</param>
public sealed record ImageManifestKeptFile(string Path, string Name, uint UserId, uint GroupId, int Mode)
{
    internal const string PerformanceCountersPrefix = "hsperfdata-";

    /// <summary>Where HotSpot JVMs have their performance counters: in a folder for each user, a file for each process.</summary>
    internal const string PerformanceCountersParent = "/tmp";

    /// <summary>What the names of these folders start with; the user's name follows.</summary>
    internal const string PerformanceCountersFolderPrefix = "hsperfdata_";

    /// <summary>The largest file that is kept, in bytes. HotSpot's default PerfDataMemorySize is 32 KiB.</summary>
    internal const long MaximumSize = 1 << 20;
}
