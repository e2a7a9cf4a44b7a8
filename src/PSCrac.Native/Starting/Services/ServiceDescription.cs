using System.Text.Json.Serialization;
using PSCrac.Images.Manifest;

namespace PSCrac.Starting.Services;

/// <summary>
/// A service as crac-start starts it: the program, when it is ready, how it is warmed up, and which images of it are kept. It is a
/// JSON file; service.schema.json describes it for editors, and a test compares the two.
/// </summary>
/// <remarks>Optional properties have no init accessor: generated code of System.Text.Json would set those that a file lacks to the default of their type.</remarks>
internal sealed record ServiceDescription
{
    /// <summary>The version of the format that this engine writes, and the highest that it reads.</summary>
    internal const int CurrentFormat = 1;

    /// <summary>The address of a schema, for editors; not used. Null for none.</summary>
    [JsonPropertyName("$schema")]
    public string? Schema { get; set; }

    /// <summary>The version of the format, from 1.</summary>
    public int Format { get; set; } = CurrentFormat;

    /// <summary>The name: of the file without its extension, of the folder of the images, and of the systemd unit.</summary>
    public required string Name { get; init; }

    /// <summary>The program: a full path, or a name to find in PATH.</summary>
    public required string FilePath { get; init; }

    /// <summary>Its arguments, without its name.</summary>
    public IReadOnlyList<string> Arguments { get; set; } = [];

    /// <summary>Its working directory, a full path.</summary>
    public required string WorkingDirectory { get; init; }

    /// <summary>Changes to the environment that crac-start has; a null value removes a variable.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; set; } = new Dictionary<string, string?>();

    /// <summary>The full path of the file that it reads as its standard input; null for the null device.</summary>
    public string? StandardInputPath { get; set; }

    /// <summary>The full path of the file that its standard output is appended to; null for the null device.</summary>
    public string? StandardOutputPath { get; set; }

    /// <summary>The full path of the file that its standard error is appended to, which may be the same; null for the null device.</summary>
    public string? StandardErrorPath { get; set; }

    /// <summary>The user that the program runs as: a name or a number. Null for crac-start's own, which must be root to have another.</summary>
    public string? User { get; set; }

    /// <summary>The minimum of its pid, or 0 for none; null as for Start-CracProcess: 10,000 in a container, otherwise none.</summary>
    public int? MinimumId { get; set; }

    /// <summary>The pid namespace that it runs in; null as for Start-CracProcess.</summary>
    public CracPidNamespace? PidNamespace { get; set; }

    /// <summary>It is ready when this http or https address answers with a status below 400; null for no such condition.</summary>
    public Uri? ReadyUri { get; set; }

    /// <summary>It is ready when it listens on this TCP port, 1 to 65535; null for no such condition.</summary>
    public int? ReadyPort { get; set; }

    /// <summary>It is ready when it has written this file, a full path; null for no such condition. Not waited for after a restore.</summary>
    public string? ReadyFile { get; set; }

    /// <summary>
    /// It is ready when a line of its output, which must go to a file, matches this regular expression; null for no such condition. Not
    /// waited for after a restore.
    /// </summary>
    public string? ReadyPattern { get; set; }

    /// <summary>It is ready when this command ends with exit code 0: the program and its arguments. Null for no such condition.</summary>
    public IReadOnlyList<string>? ReadyCommand { get; set; }

    /// <summary>How long it may take until it is ready, after a start or a restore.</summary>
    public TimeSpan ReadyTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The http or https addresses that are requested to warm it up, one after the other; empty for none.</summary>
    public IReadOnlyList<Uri> WarmUpUri { get; set; } = [];

    /// <summary>How many times each address of <see cref="WarmUpUri"/> is requested, from 1.</summary>
    public int WarmUpCount { get; set; } = 1;

    /// <summary>The commands that are run to warm it up, each with its arguments; empty for none. Each must end with exit code 0.</summary>
    public IReadOnlyList<IReadOnlyList<string>> WarmUpCommands { get; set; } = [];

    /// <summary>Whether the program, a JVM, collects its garbage after the warm-up.</summary>
    public bool CollectGarbage { get; set; }

    /// <summary>What checkpoints and restores a JVM that supports CRaC.</summary>
    public CracEngineChoice Engine { get; set; }

    /// <summary>The options of a checkpoint, by criu's long names, as the manifest of an image keeps them.</summary>
    [JsonConverter(typeof(ImageManifestOptionsConverter))]
    public IReadOnlyDictionary<string, object> CheckpointOptions { get; set; } = new Dictionary<string, object>();

    /// <summary>The criu to use, a full path; null to look for it.</summary>
    public string? CriuPath { get; set; }

    /// <summary>Files and folders that the program depends on in addition to those of its command line: full paths, wildcards allowed.</summary>
    public IReadOnlyList<string> DependsOn { get; set; } = [];

    /// <summary>The time between checkpoints while it runs, at least a second; null for a checkpoint only after a start.</summary>
    public TimeSpan? CheckpointEvery { get; set; }

    /// <summary>How many images are kept, from 1; older ones are removed after a checkpoint.</summary>
    public int Keep { get; set; } = 3;

    /// <summary>What follows a crash; null for the end of crac-start, with the program's exit code.</summary>
    public CracServiceRestart? RestartFrom { get; set; }

    /// <summary>How many times it is restarted within <see cref="RestartWindow"/>, from 1. After one more crash crac-start ends.</summary>
    public int RestartLimit { get; set; } = 5;

    /// <summary>The time in which restarts are counted.</summary>
    public TimeSpan RestartWindow { get; set; } = TimeSpan.FromMinutes(1);
}

/// <summary>Values of an enumeration by their names; a number is refused.</summary>
internal sealed class NamedValueConverter<T>() : JsonStringEnumConverter<T>(namingPolicy: null, allowIntegerValues: false)
    where T : struct, Enum;

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    ReadCommentHandling = System.Text.Json.JsonCommentHandling.Skip,
    AllowTrailingCommas = true,
    Converters = [typeof(NamedValueConverter<CracPidNamespace>), typeof(NamedValueConverter<CracEngineChoice>), typeof(NamedValueConverter<CracServiceRestart>)],
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ServiceDescription))]
internal sealed partial class ServiceDescriptionJson : JsonSerializerContext;
