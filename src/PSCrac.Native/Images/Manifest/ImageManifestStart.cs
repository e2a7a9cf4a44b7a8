using System.Text.Json.Serialization;

namespace PSCrac.Images.Manifest;

/// <summary>
/// How Start-CracProcess started the program of an image, and the files that it was started from. -OrRestore compares a later
/// start with it.
/// </summary>
public sealed record ImageManifestStart
{
    /// <summary>The program's full path, with no symbolic link among its folders.</summary>
    public required string Program { get; init; }

    /// <summary>The arguments, without the program's name and without the options that PSCrac added.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The working directory at the start: a full path without symbolic links.</summary>
    public required string WorkingDirectory { get; init; }

    /// <summary>The differences from the session's environment; a null value removed a variable.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>The full path of the file of its standard input; null for the null device.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? StandardInputPath { get; init; }

    /// <summary>The full path of the file of its standard output; null for the null device.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? StandardOutputPath { get; init; }

    /// <summary>The full path of the file of its standard error; null for the null device.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? StandardErrorPath { get; init; }

    /// <summary>Other files and folders that it depends on: full paths, some with wildcards.</summary>
    public IReadOnlyList<string> DependsOn { get; init; } = [];

    /// <summary>The files, ordered by path.</summary>
    public IReadOnlyList<ImageManifestStartFile> Files { get; init; } = [];
}

/// <summary>A file that a program was started from, as it was at the start.</summary>
public sealed record ImageManifestStartFile
{
    /// <summary>The full path, with the symbolic links of the command line.</summary>
    public required string Path { get; init; }

    /// <summary>Its role.</summary>
    public required ImageManifestStartRole Role { get; init; }

    /// <summary>For a program or a script: the path without symbolic links, where that differs. Null for other files.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Target { get; init; }

    /// <summary>The size, in bytes; null where the file did not exist, or is not compared.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Size { get; init; }

    /// <summary>When the content was last changed (mtime); null as <see cref="Size"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? Modified { get; init; }

    /// <summary>When the inode was last changed (ctime); null as <see cref="Size"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? Changed { get; init; }

    /// <summary>The SHA-256 of the content in lower-case hexadecimal; null for a file of more than 1 MiB.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Sha256 { get; init; }

    /// <summary>The Class-Path of a jar's manifest; null where it has none, and for other files.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? ClassPath { get; init; }

    /// <summary>Whether the program itself wrote the file while it started. Such a file is not compared.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsWritten { get; init; }
}

/// <summary>The role of a file that a program was started from.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ImageManifestStartRole>))]
public enum ImageManifestStartRole
{
    /// <summary>The program, or the interpreter that its first line names.</summary>
    [JsonStringEnumMemberName("program")]
    Program,

    /// <summary>The script or module that an interpreter runs, or the assembly that <c>dotnet</c> runs.</summary>
    [JsonStringEnumMemberName("script")]
    Script,

    /// <summary>A file of a .NET application's folder.</summary>
    [JsonStringEnumMemberName("application")]
    Application,

    /// <summary>A jar, or a file of a folder, on a JVM's class path or module path.</summary>
    [JsonStringEnumMemberName("classPath")]
    ClassPath,

    /// <summary>A file that an argument names.</summary>
    [JsonStringEnumMemberName("argument")]
    Argument,

    /// <summary>A file that -DependsOn names.</summary>
    [JsonStringEnumMemberName("dependsOn")]
    DependsOn,
}
