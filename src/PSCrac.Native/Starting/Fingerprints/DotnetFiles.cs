using PSCrac.Images.Manifest;

namespace PSCrac.Starting.Fingerprints;

/// <summary>The application of a .NET host: the assembly and its folder.</summary>
internal static class DotnetFiles
{
    /// <summary>Adds the application of <c>dotnet app.dll</c> or <c>dotnet exec app.dll</c>. Commands of the SDK, such as run, are left out.</summary>
    internal static void Add(CommandFiles files, IReadOnlyList<string> arguments)
    {
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (IsAssembly(argument))
            {
                if (files.TryAdd(argument, ImageManifestStartRole.Script))
                {
                    AddFolder(files, files.Command.GetFullPath(argument));
                }

                return;
            }

            if (argument.StartsWith('-'))
            {
                // An option of the host; all but these take a value (dotnet --help).
                i += argument is "-d" or "--diagnostics" || argument.Contains('=', StringComparison.Ordinal) ? 0 : 1;
            }
            else if (argument != "exec")
            {
                return;
            }
        }
    }

    /// <summary>Adds the folder of an application with its own host, which has the name of the assembly.</summary>
    internal static void AddOfHost(CommandFiles files, string program)
    {
        string path = RealPath.Find(program) ?? program;
        if (CommandFiles.IsFile($"{path}.dll") && (CommandFiles.IsFile($"{path}.runtimeconfig.json") || CommandFiles.IsFile($"{path}.deps.json")))
        {
            AddFolder(files, path);
        }
    }

    private static void AddFolder(CommandFiles files, string path)
    {
        // The host searches assemblies beside the real file.
        string folder = Path.GetDirectoryName(RealPath.Find(path) ?? path)!;
        files.AddFolder(folder, ImageManifestStartRole.Application, static name => Path.GetExtension(name) is ".dll" or ".exe" or ".so" or ".json" or ".config");

        // ASP.NET reads its settings from the working directory.
        foreach (string settings in FolderFiles.TryFind(files.Command.WorkingDirectory, IsSettings, isRecursive: false) ?? [])
        {
            files.Add(settings, ImageManifestStartRole.Application);
        }
    }

    private static bool IsSettings(string name) =>
        name.StartsWith("appsettings.", StringComparison.Ordinal) && name.EndsWith(".json", StringComparison.Ordinal);

    private static bool IsAssembly(string argument) =>
        argument.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) || argument.EndsWith(".exe", StringComparison.OrdinalIgnoreCase);
}
