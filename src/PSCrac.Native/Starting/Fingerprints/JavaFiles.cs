using PSCrac.Images.Manifest;

namespace PSCrac.Starting.Fingerprints;

/// <summary>The class path and the module path of a <c>java</c> (JDK Tool Specifications, java).</summary>
internal static class JavaFiles
{
    private const ImageManifestStartRole Role = ImageManifestStartRole.ClassPath;

    // Options that take the next word.
    private static readonly HashSet<string> s_values =
    [
        "-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path", "-jar", "-m", "--module",
        "--add-modules", "--limit-modules", "--add-opens", "--add-exports", "--add-reads", "--patch-module", "--enable-native-access", "--source", "-d",
        "--describe-module",
    ];

    /// <summary>Adds the class path and the module path of a java, and the files that its option files name.</summary>
    internal static void Add(CommandFiles files, IReadOnlyList<string> arguments)
    {
        List<string> words = JavaArgumentFiles.Expand(files.Command, arguments);
        if (files.Command.GetVariable("JAVA_TOOL_OPTIONS") is { Length: > 0 } options)
        {
            ArgumentFiles.Add(files, JavaArgumentFiles.Split(options));
        }

        string? classPath = files.Command.GetVariable("CLASSPATH");
        bool isModule = false;
        int i = 0;
        for (; i < words.Count && !isModule && (words[i].StartsWith('-') || words[i].Length == 0); i++)
        {
            switch (ReadOption(words, ref i))
            {
                case ("-jar", { } jar):
                    // The jar is the whole class path.
                    AddJar(files, files.Command.GetFullPath(jar), []);
                    ArgumentFiles.Add(files, words.Take(i));
                    return;
                case ("-cp" or "-classpath" or "--class-path", { } value):
                    classPath = value;
                    break;
                case ("-p" or "--module-path" or "--upgrade-module-path", { } value):
                    AddModulePath(files, value);
                    break;
                case ("-m" or "--module", _):
                    isModule = true;
                    break;
            }
        }

        bool isSource = i < words.Count && words[i].EndsWith(".java", StringComparison.Ordinal);
        if (!string.IsNullOrEmpty(classPath))
        {
            AddClassPath(files, classPath);
        }
        else if (!isModule && !isSource)
        {
            AddClassPath(files, ".");
        }

        ArgumentFiles.Add(files, words.Take(i));
    }

    // An option and its value: the next word, or the part after '='.
    private static (string Name, string? Value) ReadOption(List<string> words, ref int i)
    {
        string word = words[i];
        if (s_values.Contains(word))
        {
            return (word, i + 1 < words.Count ? words[++i] : null);
        }

        int equals = word.IndexOf('=', StringComparison.Ordinal);
        return word.StartsWith("--", StringComparison.Ordinal) && equals >= 0 ? (word[..equals], word[(equals + 1)..]) : (word, null);
    }

    private static void AddClassPath(CommandFiles files, string classPath)
    {
        var jars = new HashSet<string>(StringComparer.Ordinal);
        foreach (string entry in classPath.Split(':'))
        {
            string path = files.Command.GetFullPath(entry);
            if (entry == "*" || entry.EndsWith("/*", StringComparison.Ordinal))
            {
                foreach (string jar in FolderFiles.TryFind(Path.GetDirectoryName(path)!, static name => IsEnding(name, ".jar"), isRecursive: false) ?? [])
                {
                    AddJar(files, jar, jars);
                }
            }
            else if (!Directory.Exists(path))
            {
                AddJar(files, path, jars);
            }
            else if (Path.TrimEndingDirectorySeparator(path) == files.Command.WorkingDirectory)
            {
                // The working directory also has the files that the program reads and writes: only classes count.
                files.AddFolder(files.Command.WorkingDirectory, Role, static name => IsEnding(name, ".class"));
            }
            else
            {
                files.AddFolder(Path.TrimEndingDirectorySeparator(path), Role, static _ => true);
            }
        }
    }

    private static void AddModulePath(CommandFiles files, string modulePath)
    {
        foreach (string entry in modulePath.Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            string path = files.Command.GetFullPath(entry);
            if (Directory.Exists(path))
            {
                files.AddFolder(
                    Path.TrimEndingDirectorySeparator(path), Role,
                    static name => IsEnding(name, ".jar") || IsEnding(name, ".jmod") || IsEnding(name, ".class"));
            }
            else
            {
                files.Add(path, Role);
            }
        }
    }

    // java ignores a missing jar; it counts when it appears.
    private static void AddJar(CommandFiles files, string jar, HashSet<string> seen)
    {
        if (!seen.Add(jar))
        {
            return;
        }

        files.Add(jar, Role);
        string folder = Path.GetDirectoryName(jar) ?? "/";
        foreach (string entry in files.ReadClassPath(jar))
        {
            string path = entry.StartsWith('/') ? entry : Path.Join(folder, entry);
            if (Directory.Exists(path))
            {
                files.AddFolder(Path.TrimEndingDirectorySeparator(path), Role, static _ => true);
            }
            else
            {
                AddJar(files, path, seen);
            }
        }
    }

    private static bool IsEnding(string name, string ending) => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase);
}
