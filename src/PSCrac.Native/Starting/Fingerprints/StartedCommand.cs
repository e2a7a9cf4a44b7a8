namespace PSCrac.Starting.Fingerprints;

/// <summary>A command line to start, or to restore an image instead of.</summary>
internal sealed record StartedCommand
{
    /// <summary>The program's full path.</summary>
    internal required string Program { get; init; }

    /// <summary>The caller's arguments, without the program's name.</summary>
    internal required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The full path of the working directory.</summary>
    internal required string WorkingDirectory { get; init; }

    /// <summary>What differs from this process's environment; a null value removes a variable.</summary>
    internal required IReadOnlyDictionary<string, string?> Environment { get; init; }

    /// <summary>Full paths of other files and folders that it depends on, wildcards allowed.</summary>
    internal IReadOnlyList<string> DependsOn { get; init; } = [];

    /// <summary>The full path of the file of its standard input; null for the null device.</summary>
    internal string? StandardInputPath { get; init; }

    /// <summary>The full path of the file of its standard output; null for the null device.</summary>
    internal string? StandardOutputPath { get; init; }

    /// <summary>The full path of the file of its standard error; null for the null device.</summary>
    internal string? StandardErrorPath { get; init; }

    /// <summary>Creates one. Symbolic links are resolved in the working directory and in the program's folder, but not the program itself.</summary>
    internal static StartedCommand Create(
        string program,
        IReadOnlyList<string> arguments,
        string workingDirectory,
        IReadOnlyDictionary<string, string?> environment)
    {
        string folder = Path.GetDirectoryName(program) ?? "/";
        return new StartedCommand
        {
            // The name and the folder of a link can matter to a program: busybox, a virtual environment of Python.
            Program = Path.Combine(RealPath.Find(folder) ?? folder, Path.GetFileName(program)),
            Arguments = arguments,
            WorkingDirectory = RealPath.Find(workingDirectory) ?? workingDirectory,
            Environment = environment,
        };
    }

    /// <summary>The value of a variable in the program's environment; null where it has none.</summary>
    internal string? GetVariable(string name) =>
        Environment.TryGetValue(name, out string? given) ? given : System.Environment.GetEnvironmentVariable(name);

    /// <summary>The full path of a file; a relative path is relative to the working directory.</summary>
    internal string GetFullPath(string path)
    {
        if (path.StartsWith('/'))
        {
            return path;
        }

        while (path.StartsWith("./", StringComparison.Ordinal))
        {
            path = path[2..].TrimStart('/');
        }

        return path is "" or "." ? WorkingDirectory : Path.Join(WorkingDirectory, path);
    }
}
