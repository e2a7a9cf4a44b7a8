using PSCrac.Images.Manifest;

namespace PSCrac.Starting.Fingerprints;

/// <summary>The script or the module that Python runs (https://docs.python.org/3/using/cmdline.html).</summary>
internal static class PythonFiles
{
    /// <summary>Adds it: a script, the __main__.py of a folder, or the files of the module of -m; and local modules that arguments name.</summary>
    /// <param name="files">The files.</param>
    /// <param name="program">The interpreter's path.</param>
    /// <param name="arguments">Its arguments.</param>
    internal static void Add(CommandFiles files, string program, IReadOnlyList<string> arguments)
    {
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (argument is not ['-', _, ..])
            {
                if (argument != "-" && !files.TryAdd(argument, ImageManifestStartRole.Script))
                {
                    files.TryAdd(Path.Join(argument, "__main__.py"), ImageManifestStartRole.Script);
                }

                AddNamedModules(files, arguments, i + 1);
                return;
            }

            if (argument == "--check-hash-based-pycs")
            {
                i++;
                continue;
            }

            // Of combined letters, as in -um, the first that takes a value has the rest of the word or the next word.
            int letter = argument.StartsWith("--", StringComparison.Ordinal) ? -1 : argument.AsSpan(1).IndexOfAny("cmWX") + 1;
            if (letter <= 0)
            {
                continue;
            }

            string? value = letter + 1 < argument.Length ? argument[(letter + 1)..] : i + 1 < arguments.Count ? arguments[++i] : null;
            if (argument[letter] == 'c' || value is null)
            {
                return;
            }

            if (argument[letter] == 'm')
            {
                TryAddModule(files, [.. LocalFolders(files), .. InstalledFolders(program)], value);
                AddNamedModules(files, arguments, i + 1);
                return;
            }
        }
    }

    // As in 'uvicorn main:app': the module of the application.
    private static void AddNamedModules(CommandFiles files, IReadOnlyList<string> arguments, int first)
    {
        List<string>? folders = null;
        for (int i = first; i < arguments.Count; i++)
        {
            string module = arguments[i].Split(':', 2)[0];
            if (IsModuleName(module))
            {
                TryAddModule(files, folders ??= [.. LocalFolders(files)], module);
            }
        }
    }

    private static void TryAddModule(CommandFiles files, IReadOnlyList<string> folders, string module)
    {
        if (!IsModuleName(module))
        {
            return;
        }

        string name = module.Replace('.', '/');
        foreach (string folder in folders)
        {
            string path = Path.Join(folder, name);
            bool isPackage = CommandFiles.IsFile($"{path}/__init__.py") || CommandFiles.IsFile($"{path}/__main__.py");
            if (!isPackage && !CommandFiles.IsFile($"{path}.py"))
            {
                continue;
            }

            // Python runs the packages that contain it too.
            for (int dot = module.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = module.IndexOf('.', dot + 1))
            {
                files.TryAdd($"{folder}/{module[..dot].Replace('.', '/')}/__init__.py", ImageManifestStartRole.Script);
            }

            if (isPackage)
            {
                files.TryAdd($"{path}/__init__.py", ImageManifestStartRole.Script);
                files.TryAdd($"{path}/__main__.py", ImageManifestStartRole.Script);
            }
            else
            {
                files.TryAdd($"{path}.py", ImageManifestStartRole.Script);
            }

            return;
        }
    }

    private static IEnumerable<string> LocalFolders(CommandFiles files)
    {
        yield return files.Command.WorkingDirectory;
        foreach (string folder in (files.Command.GetVariable("PYTHONPATH") ?? string.Empty).Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            yield return files.Command.GetFullPath(folder);
        }
    }

    // As site.py does: beside a virtual environment's link, and beside the interpreter itself.
    private static IEnumerable<string> InstalledFolders(string program)
    {
        string? environment = Path.GetDirectoryName(Path.GetDirectoryName(program));
        if (environment is not null && CommandFiles.IsFile($"{environment}/pyvenv.cfg") && Directory.Exists($"{environment}/lib"))
        {
            foreach (string version in Directory.GetDirectories($"{environment}/lib", "python*"))
            {
                yield return $"{version}/site-packages";
            }
        }

        if (RealPath.Find(program) is { } real && Path.GetDirectoryName(Path.GetDirectoryName(real)) is { } prefix)
        {
            string name = Path.GetFileName(real);
            yield return $"{prefix}/lib/{name}";
            yield return $"{prefix}/lib/{name}/site-packages";
            yield return $"/usr/local/lib/{name}/dist-packages";
            yield return $"{prefix}/lib/python3/dist-packages";
        }
    }

    private static bool IsModuleName(string text)
    {
        if (text.Length == 0 || !(char.IsLetter(text[0]) || text[0] == '_') || text.EndsWith('.') || text.Contains("..", StringComparison.Ordinal))
        {
            return false;
        }

        foreach (char each in text)
        {
            if (!char.IsLetterOrDigit(each) && each is not ('_' or '.'))
            {
                return false;
            }
        }

        return true;
    }
}
