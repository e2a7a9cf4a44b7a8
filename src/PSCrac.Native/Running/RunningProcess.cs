using System.Text.Json.Serialization;

namespace PSCrac.Running;

/// <summary>A process that PSCrac restored or started, as its record on disk has it.</summary>
internal sealed record RunningProcess
{
    /// <summary>The root's pid, in the pid namespace of the process that wrote the record.</summary>
    public required int ProcessId { get; init; }

    /// <summary>Its start time, in clock ticks since boot (proc(5)).</summary>
    public required ulong StartTimeTicks { get; init; }

    /// <summary>The boot in which it was started.</summary>
    public required string BootId { get; init; }

    /// <summary>The pid namespace of <see cref="ProcessId"/>: the inode number of its link in /proc.</summary>
    public required ulong PidNamespace { get; init; }

    /// <summary>The command line, arguments separated by spaces.</summary>
    public required string Command { get; init; }

    /// <summary>When it was restored or started.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>The image that it was restored from; null for a started program.</summary>
    public string? ImagePath { get; init; }

    /// <summary>The SHA-256 of that image's manifest, in lower-case hexadecimal; null if it has none.</summary>
    public string? ImageManifestHash { get; init; }

    /// <summary>The service that it is; null for none.</summary>
    public string? Service { get; init; }

    /// <summary>The first process of the pid namespace that it was put into, by its pid as <see cref="ProcessId"/>; null where it has none of its own.</summary>
    public int? NamespaceInitId { get; init; }

    /// <summary>The pid of the page daemon that serves its memory; null for a restore without lazy pages.</summary>
    public int? PageDaemonId { get; init; }

    /// <summary>The page daemon's start time, as <see cref="StartTimeTicks"/>; null without one.</summary>
    public ulong? PageDaemonStartTimeTicks { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(RunningProcess))]
internal sealed partial class RunningProcessJson : JsonSerializerContext;
