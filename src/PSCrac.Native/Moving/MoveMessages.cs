using System.Text.Json.Serialization;

namespace PSCrac.Moving;

/// <summary>What the far side says of itself.</summary>
internal sealed record MoveHello
{
    /// <summary>The version of the protocol.</summary>
    public required int Protocol { get; init; }

    /// <summary>The version of the module.</summary>
    public required string ModuleVersion { get; init; }

    /// <summary>The host's name.</summary>
    public required string HostName { get; init; }
}

/// <summary>A file that the process has open or mapped.</summary>
internal sealed record MoveFile
{
    /// <summary>The full path.</summary>
    public required string Path { get; init; }

    /// <summary>The kind, as in st_mode (inode(7)).</summary>
    public required uint Kind { get; init; }

    /// <summary>The size, in bytes.</summary>
    public required long Size { get; init; }

    /// <summary>The permissions.</summary>
    public required uint Mode { get; init; }

    /// <summary>Whether criu compares the size: not for a folder, nor for a file that is only appended to.</summary>
    public required bool HasFixedSize { get; init; }

    /// <summary>The build id of a program or library that is mapped, in hexadecimal; null for other files.</summary>
    public string? BuildId { get; init; }
}

/// <summary>A private area of memory that the kernel counts as a whole, however little of it is in use (without MAP_NORESERVE).</summary>
/// <param name="ProcessId">The process, by its pid on the near side.</param>
/// <param name="Start">The first address.</param>
/// <param name="Size">The size, in bytes.</param>
internal sealed record MoveArea(int ProcessId, ulong Start, long Size);

/// <summary>What the process needs, as far as the far side can check it before anything is frozen.</summary>
internal sealed record MoveQuestion
{
    /// <summary>The processor's architecture.</summary>
    public required string Architecture { get; init; }

    /// <summary>The processor's features.</summary>
    public required IReadOnlyList<string> ProcessorFeatures { get; init; }

    /// <summary>The files.</summary>
    public required IReadOnlyList<MoveFile> Files { get; init; }

    /// <summary>The ids of processes and threads in their own pid namespace.</summary>
    public required IReadOnlyList<int> Ids { get; init; }

    /// <summary>Where the tree will be put.</summary>
    public required CracPidNamespace PidNamespace { get; init; }

    /// <summary>The addresses that it listens at, as "tcp 0.0.0.0:80".</summary>
    public required IReadOnlyList<string> Listeners { get; init; }

    /// <summary>The expected size of its image, in bytes.</summary>
    public required long Bytes { get; init; }

    /// <summary>The name that its image gets there.</summary>
    public required string ImageName { get; init; }

    /// <summary>Whether most of its memory follows when it runs.</summary>
    public bool LazyPages { get; init; }

    /// <summary>With lazy pages the largest area of each process.</summary>
    public IReadOnlyList<MoveArea> Areas { get; init; } = [];
}

/// <summary>What the far side found out.</summary>
internal sealed record MoveAnswer
{
    /// <summary>The findings; a blocker ends the move.</summary>
    public required IReadOnlyList<CracFinding> Findings { get; init; }
}

/// <summary>A file of the image.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Size">Its size, in bytes.</param>
/// <param name="SentSize">How many bytes of it are sent: fewer if it is compressed (zlib).</param>
/// <param name="IsCompressed">Whether it is compressed.</param>
internal sealed record MoveImageFile(string Name, long Size, long SentSize, bool IsCompressed);

/// <summary>The image.</summary>
internal sealed record MoveImage
{
    /// <summary>The move's id, which neither side has used before.</summary>
    public required string MoveId { get; init; }

    /// <summary>The image's name under the far side's image root.</summary>
    public required string Name { get; init; }

    /// <summary>Its files, in the order in which they are sent.</summary>
    public required IReadOnlyList<MoveImageFile> Files { get; init; }

    /// <summary>Whether of the processes' memory only that is sent which a restore with lazy pages needs. The pagemaps, which are sent before, say which.</summary>
    public bool IsLazy { get; init; }
}

/// <summary>How the image is to be restored.</summary>
internal sealed record MoveRestore
{
    /// <summary>Where the tree is put.</summary>
    public required CracPidNamespace PidNamespace { get; init; }

    /// <summary>Whether the image stays there.</summary>
    public required bool KeepImage { get; init; }

    /// <summary>Whether most of the memory follows when it runs.</summary>
    public bool LazyPages { get; init; }

    /// <summary>For how long nothing of it may come before the process is ended there, in milliseconds.</summary>
    public int SilenceMilliseconds { get; init; }
}

/// <summary>The process runs on the far side.</summary>
internal sealed record MoveResumed
{
    /// <summary>The root's pid there.</summary>
    public required int ProcessId { get; init; }

    /// <summary>The first process of the pid namespace that it was put into; null for none of its own.</summary>
    public int? NamespaceInitId { get; init; }

    /// <summary>The image's path there.</summary>
    public required string ImagePath { get; init; }

    /// <summary>What is different; sentences.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

/// <summary>A failure of the far side.</summary>
internal sealed record MoveFailure
{
    /// <summary>The reason's name.</summary>
    public required string Reason { get; init; }

    /// <summary>The message.</summary>
    public required string Message { get; init; }

    /// <summary>What to do; null for nothing known.</summary>
    public string? RecommendedAction { get; init; }

    /// <summary>criu's lines.</summary>
    public IReadOnlyList<string> CriuLines { get; init; } = [];

    /// <summary>The findings that caused it.</summary>
    public IReadOnlyList<CracFinding> Findings { get; init; } = [];

    /// <summary>Whether the process may have run there before it was ended.</summary>
    public required bool MayHaveRun { get; init; }
}

/// <summary>What became of a move.</summary>
internal enum MoveOutcome
{
    /// <summary>The far side does not know.</summary>
    Unknown = 0,

    /// <summary>It did not resume the process, and never will.</summary>
    NotResumed,

    /// <summary>The process runs there.</summary>
    Resumed,
}

/// <summary>The answer to the question what became of a move.</summary>
internal sealed record MoveSettlement
{
    /// <summary>What became of it.</summary>
    public required MoveOutcome Outcome { get; init; }

    /// <summary>Where it runs; null unless it does.</summary>
    public MoveResumed? Resumed { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(MoveHello))]
[JsonSerializable(typeof(MoveQuestion))]
[JsonSerializable(typeof(MoveAnswer))]
[JsonSerializable(typeof(MoveImage))]
[JsonSerializable(typeof(MoveRestore))]
[JsonSerializable(typeof(MoveResumed))]
[JsonSerializable(typeof(MoveFailure))]
[JsonSerializable(typeof(MoveSettlement))]
[JsonSerializable(typeof(MoveFarRecord))]
[JsonSerializable(typeof(MoveNearRecord))]
internal sealed partial class MoveJson : JsonSerializerContext;
