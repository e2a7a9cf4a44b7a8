using System.Text.Json.Serialization;

namespace PSCrac.Images.Manifest;

/// <summary>What pscrac.json says about the image it lies in. Times are UTC, sizes are bytes.</summary>
public sealed partial record ImageManifest
{
    /// <summary>The manifest's file name within an image.</summary>
    public const string FileName = "pscrac.json";

    /// <summary>The version of the manifest's format that this PSCrac writes, and the newest it reads.</summary>
    public const int CurrentFormat = 1;

    /// <summary>The version of the manifest's format, from 1.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>When the checkpoint was sealed.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>The machine the checkpoint was taken on.</summary>
    public required ImageManifestHost Host { get; init; }

    /// <summary>What was checkpointed.</summary>
    public required ImageManifestProcess Process { get; init; }

    /// <summary>What took the checkpoint: "criu" or "jvm".</summary>
    public string Engine { get; init; } = "criu";

    /// <summary>The version of criu, such as "4.2.1"; null where it is not known.</summary>
    public string? CriuVersion { get; init; }

    /// <summary>Whether the process ran on after the checkpoint.</summary>
    public bool LeaveRunning { get; init; }

    /// <summary>Whether the first restore consumes something the image needs (helper links of link-remap).</summary>
    public bool OneShot { get; init; }

    /// <summary>Full paths of files outside the directory that belong to the image, such as the helper links of link-remap.</summary>
    public IReadOnlyList<string> OutsideFiles { get; init; } = [];

    /// <summary>
    /// The options the checkpoint was taken with, by criu's long option names, such as "tcp-established".
    /// A value is a <see cref="bool"/>, <see cref="long"/>, <see cref="double"/>, <see cref="string"/> or an object array of those.
    /// </summary>
    [JsonConverter(typeof(ImageManifestOptionsConverter))]
    public IReadOnlyDictionary<string, object> Options { get; init; } = new Dictionary<string, object>();

    /// <summary>Which options were chosen without being asked for, and why.</summary>
    public IReadOnlyList<ImageManifestChoice> Automatic { get; init; } = [];

    /// <summary>Full paths of the criu configuration files that were in effect.</summary>
    public IReadOnlyList<string> ConfigurationFiles { get; init; } = [];

    /// <summary>The image's files, ordered by name; the manifest itself is not among them.</summary>
    public IReadOnlyList<ImageManifestFile> Files { get; init; } = [];
}

/// <summary>The machine a checkpoint was taken on.</summary>
public sealed record ImageManifestHost
{
    /// <summary>The host name.</summary>
    public required string Name { get; init; }

    /// <summary>The content of /etc/machine-id; null where there is none.</summary>
    public string? MachineId { get; init; }

    /// <summary>The content of /proc/sys/kernel/random/boot_id; null where it could not be read.</summary>
    public string? BootId { get; init; }

    /// <summary>The kernel's release, as <c>uname -r</c> prints it.</summary>
    public string? Kernel { get; init; }

    /// <summary>The architecture, as <c>uname -m</c> prints it.</summary>
    public string? Architecture { get; init; }

    /// <summary>The CPU's feature flags, as /proc/cpuinfo lists them.</summary>
    public IReadOnlyList<string> CpuFeatures { get; init; } = [];

    /// <summary>The IP addresses the host had.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];
}

/// <summary>What was checkpointed.</summary>
public sealed record ImageManifestProcess
{
    /// <summary>The process id of the tree's root, in the pid namespace that it lived in.</summary>
    public required int RootPid { get; init; }

    /// <summary>The root's process id as the checkpoint's caller saw it; null where both lived in the same pid namespace.</summary>
    public int? HostPid { get; init; }

    /// <summary>The root's command line, an argument an element.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>The root's executable, a full path; null where it could not be read.</summary>
    public string? Executable { get; init; }

    /// <summary>The root's working directory; null where it could not be read.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>How many processes the tree had.</summary>
    public int ProcessCount { get; init; }

    /// <summary>How many threads the tree had in all.</summary>
    public int ThreadCount { get; init; }

    /// <summary>The tree's resident memory when the checkpoint began, in bytes.</summary>
    public long Memory { get; init; }
}

/// <summary>An option that was chosen without being asked for.</summary>
/// <param name="Option">criu's long option name, such as "shell-job".</param>
/// <param name="Value">The value as text; null for an option that takes none.</param>
/// <param name="Reason">Why, as a sentence for the user.</param>
public sealed record ImageManifestChoice(string Option, string? Value, string Reason);

/// <summary>One file of an image, as it was when the image was sealed.</summary>
/// <param name="Name">The file's name.</param>
/// <param name="Size">Its size, in bytes.</param>
/// <param name="Sha256">The SHA-256 of its content in lower-case hexadecimal; null for pages and other big files.</param>
public sealed record ImageManifestFile(string Name, long Size, string? Sha256);
