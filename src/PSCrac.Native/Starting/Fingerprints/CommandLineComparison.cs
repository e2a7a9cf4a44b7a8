using PSCrac.Images.Manifest;

namespace PSCrac.Starting.Fingerprints;

/// <summary>
/// Compares an image without a fingerprint with a command line: by the command line of its root, the program's file, the
/// working directory, and the time of the checkpoint. Invoke-CracCheckpoint, criu, a JVM or an older PSCrac created the image.
/// </summary>
internal static class CommandLineComparison
{
    private const string UnlinkedMark = " (deleted)";

    /// <summary>Compares them.</summary>
    /// <param name="image">The image.</param>
    /// <param name="command">The command line.</param>
    /// <param name="differences">The differences of the command line are added, each as a clause of a sentence.</param>
    /// <param name="files">The differences of files are added.</param>
    /// <exception cref="CracException">The image cannot be read.</exception>
    internal static void Compare(CracImage image, StartedCommand command, List<string> differences, List<string> files)
    {
        // The process of a script is its interpreter's, or another program's that the script executed.
        bool isScript = ProgramChain.ReadInterpreter(command, command.Program, command.Arguments) is not null;
        string? program = image.Manifest is { } manifest ? manifest.Process.Executable : image.Processes[0].Executable;
        if (!isScript && program is not null && RealPath.Find(command.Program) is { } now && now != program.Replace(UnlinkedMark, string.Empty, StringComparison.Ordinal))
        {
            differences.Add($"the program is {now}, not {program}");
            return;
        }

        if (!IsOf(image.CommandLine, command, isScript))
        {
            differences.Add(
                $"its command line is '{FingerprintComparison.Shorten(string.Join(' ', [command.Program, .. command.Arguments]))}', not '{FingerprintComparison.Shorten(string.Join(' ', image.CommandLine))}'");
        }

        // A daemon changes to / after its start.
        string? folder = image.Manifest is { } own ? own.Process.WorkingDirectory : image.Processes[0].WorkingDirectory;
        if (folder is not (null or "/") && folder != command.WorkingDirectory)
        {
            differences.Add($"it starts in {command.WorkingDirectory}, not in {folder}");
        }

        if (differences.Count == 0)
        {
            AddLaterFiles(new DateTimeOffset(image.Created), command, files);
        }
    }

    // The arguments are the last ones. Before them a java may have options that PSCrac added.
    private static bool IsOf(IReadOnlyList<string> then, StartedCommand command, bool isScript)
    {
        IReadOnlyList<string> now = command.Arguments;
        int first = then.Count - now.Count;
        if (then.Count == 0)
        {
            return true;
        }

        if (first < 1)
        {
            return false;
        }

        for (int i = 0; i < now.Count; i++)
        {
            if (now[i] != then[first + i])
            {
                return false;
            }
        }

        bool isJava = Path.GetFileName(command.Program) == "java";
        for (int i = 1; i < first && !isScript; i++)
        {
            if (!isJava || !then[i].StartsWith("-XX:", StringComparison.Ordinal))
            {
                return false;
            }
        }

        return true;
    }

    // Files that only arguments name are left out: the program may have written them.
    private static void AddLaterFiles(DateTimeOffset created, StartedCommand command, List<string> files)
    {
        foreach ((string path, ImageManifestStartRole role) in CommandFiles.Find(command, command.DependsOn).Roles)
        {
            if (role != ImageManifestStartRole.Argument && FileFingerprint.Read(path, role).Modified > created)
            {
                files.Add($"{path} has changed since the checkpoint");
            }
        }
    }
}
