namespace PSCrac.Starting;

/// <summary>Finds programs.</summary>
internal static class ProgramPath
{
    private const UnixFileMode Execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>The full path of a program: of the file where <paramref name="name"/> has a slash, else of the first in PATH with that name.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ProgramNotStarted"/>: there is none, or it is not executable.</exception>
    internal static string Find(string name)
    {
        if (name.Contains('/', StringComparison.Ordinal))
        {
            return IsProgram(name) ? Path.GetFullPath(name) : throw NotFound(
                File.Exists(name) ? $"{name} may not be executed." : $"There is no program {name}.",
                File.Exists(name) ? $"Make it executable with chmod +x {name}, or start its interpreter with it as an argument." : "Correct -FilePath.");
        }

        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            string candidate = Path.Combine(folder, name);
            if (IsProgram(candidate))
            {
                return Path.GetFullPath(candidate);
            }
        }

        throw NotFound($"There is no program '{name}' on the PATH.", "Give its path, such as ./" + name + ", or add its folder to the PATH.");
    }

    private static bool IsProgram(string path) => File.Exists(path) && (File.GetUnixFileMode(path) & Execute) != 0;

    private static CracException NotFound(string message, string recommendedAction) => new(CracReason.ProgramNotStarted, message, recommendedAction);
}
