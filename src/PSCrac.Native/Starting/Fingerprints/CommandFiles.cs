using PSCrac.Images.Manifest;

namespace PSCrac.Starting.Fingerprints;

/// <summary>
/// The files that a command line refers to: the program, the files that its arguments name, and those that the runtimes of
/// Java, .NET, Python and Node load because of them. Nothing is run to find them. The same command line with the same files
/// always gives the same list.
/// </summary>
internal sealed class CommandFiles
{
    private const int MaximumScripts = 4;
    private readonly Dictionary<string, ImageManifestStartRole> _roles = new(StringComparer.Ordinal);
    private readonly List<string> _crowded = [];
    private readonly List<string> _unmatched = [];
    private readonly Dictionary<string, IReadOnlyList<string>> _classPaths = new(StringComparer.Ordinal);
    private readonly IReadOnlyDictionary<string, ImageManifestStartFile> _known;

    private CommandFiles(StartedCommand command, IReadOnlyDictionary<string, ImageManifestStartFile> known)
    {
        Command = command;
        _known = known;
    }

    /// <summary>The command line.</summary>
    internal StartedCommand Command { get; }

    /// <summary>The files by path, with their roles. A file of a class path or of -DependsOn need not exist.</summary>
    internal IReadOnlyDictionary<string, ImageManifestStartRole> Roles => _roles;

    /// <summary>Folders with too many files to compare; none of their files is in <see cref="Roles"/>.</summary>
    internal IReadOnlyList<string> CrowdedFolders => _crowded;

    /// <summary>Paths and patterns of -DependsOn that match nothing.</summary>
    internal IReadOnlyList<string> Unmatched => _unmatched;

    /// <summary>Finds the files.</summary>
    /// <param name="command">The command line.</param>
    /// <param name="dependsOn">Paths and patterns of other files that it depends on.</param>
    /// <param name="known">Fingerprints by path, which save reading jars that have not changed; null for none.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: a pattern matches too many files.</exception>
    internal static CommandFiles Find(
        StartedCommand command, IEnumerable<string> dependsOn, IReadOnlyDictionary<string, ImageManifestStartFile>? known = null)
    {
        var files = new CommandFiles(command, known ?? new Dictionary<string, ImageManifestStartFile>());
        files.AddProgram(command.Program, command.Arguments);
        ArgumentFiles.Add(files, command.Arguments);
        foreach (string pattern in dependsOn)
        {
            if (!PathPattern.Add(files, pattern))
            {
                files._unmatched.Add(pattern);
            }
        }

        return files;
    }

    /// <summary>Adds a file by its full path. The first role of a file is kept.</summary>
    internal void Add(string path, ImageManifestStartRole role)
    {
        // Its output is no file that it was started from.
        if (path != Command.StandardOutputPath && path != Command.StandardErrorPath)
        {
            _roles.TryAdd(path, role);
        }
    }

    /// <summary>Adds a regular file; a relative path is relative to the working directory. False where there is none.</summary>
    internal bool TryAdd(string path, ImageManifestStartRole role)
    {
        string full = Command.GetFullPath(path);
        if (!IsFile(full))
        {
            return false;
        }

        Add(full, role);
        return true;
    }

    /// <summary>Adds the files of a folder and of the folders in it, unless they are too many.</summary>
    internal void AddFolder(string folder, ImageManifestStartRole role, Predicate<string> isWanted)
    {
        if (FolderFiles.TryFind(folder, isWanted) is not { } found)
        {
            _crowded.Add(folder);
            return;
        }

        foreach (string file in found)
        {
            Add(file, role);
        }
    }

    /// <summary>The Class-Path of a jar's manifest; empty where it has none.</summary>
    internal IReadOnlyList<string> ReadClassPath(string jar)
    {
        if (!_classPaths.TryGetValue(jar, out IReadOnlyList<string>? entries))
        {
            entries = _known.TryGetValue(jar, out ImageManifestStartFile? file) && FileFingerprint.IsUntouched(file)
                ? file.ClassPath ?? []
                : JarManifest.ReadClassPath(jar);
            _classPaths.Add(jar, entries);
        }

        return entries;
    }

    /// <summary>Whether a regular file is at a full path.</summary>
    internal static bool IsFile(string path) => FileFingerprint.TryStat(path, out _);

    // A script's interpreter, and what env starts, is started in turn.
    private void AddProgram(string program, IReadOnlyList<string> arguments)
    {
        bool isKnown = false;
        string path = program;
        for (int i = 0; i < MaximumScripts; i++)
        {
            Add(path, ImageManifestStartRole.Program);
            isKnown = isKnown || AddOfRuntime(path, arguments);
            if ((ProgramChain.ReadInterpreter(Command, path, arguments) ?? ProgramChain.ReadEnv(Command, path, arguments)) is not { } next)
            {
                break;
            }

            (path, arguments) = next;
        }

        if (!isKnown)
        {
            DotnetFiles.AddOfHost(this, path);
        }
    }

    // By the name in the command line: the target of a link may have another name.
    private bool AddOfRuntime(string path, IReadOnlyList<string> arguments)
    {
        string name = Path.GetFileName(path);
        switch (name)
        {
            case "java":
                JavaFiles.Add(this, arguments);
                return true;
            case "dotnet":
                DotnetFiles.Add(this, arguments);
                return true;
            case "node" or "nodejs":
                ScriptFiles.AddOfNode(this, arguments);
                return true;
            case var _ when name.StartsWith("python", StringComparison.Ordinal) || name.StartsWith("pypy", StringComparison.Ordinal):
                PythonFiles.Add(this, path, arguments);
                return true;
            default:
                return ScriptFiles.TryAdd(this, name, arguments);
        }
    }
}
