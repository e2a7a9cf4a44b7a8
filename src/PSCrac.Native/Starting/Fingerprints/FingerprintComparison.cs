using System.Globalization;
using PSCrac.Images.Manifest;

namespace PSCrac.Starting.Fingerprints;

/// <summary>Compares an image with a command line, and the files that its program was started from with the present ones.</summary>
internal sealed class FingerprintComparison
{
    private const int MaximumNamed = 3;
    private const int MaximumText = 60;
    private readonly StartedCommand _command;
    private readonly List<string> _differences = [];
    private readonly List<string> _files = [];

    private FingerprintComparison(StartedCommand command) => _command = command;

    /// <summary>Compares them.</summary>
    /// <param name="image">The image.</param>
    /// <param name="command">The command line that it is to be restored for.</param>
    /// <returns>The differences, each as a clause of a sentence; empty where the image matches.</returns>
    /// <exception cref="CracException">
    /// The image cannot be read, or <see cref="CracReason.OptionRefused"/>: -DependsOn matches too many files.
    /// </exception>
    internal static IReadOnlyList<string> Compare(CracImage image, StartedCommand command)
    {
        var comparison = new FingerprintComparison(command);
        if (image.Manifest?.Start is { } start)
        {
            comparison.Compare(start);
        }
        else
        {
            CommandLineComparison.Compare(image, command, comparison._differences, comparison._files);
        }

        return comparison.List();
    }

    private void Compare(ImageManifestStart then)
    {
        if (_command.Program != then.Program)
        {
            // Usually everything else differs too.
            _differences.Add($"the program is {_command.Program}, not {then.Program}");
            return;
        }

        CompareArguments(then.Arguments);
        if (_command.WorkingDirectory != then.WorkingDirectory)
        {
            _differences.Add($"it starts in {_command.WorkingDirectory}, not in {then.WorkingDirectory}");
        }

        CompareEnvironment(then.Environment);

        // Other arguments refer to other files.
        if (_differences.Count == 0)
        {
            CompareFiles(then);
        }
    }

    private void CompareArguments(IReadOnlyList<string> then)
    {
        IReadOnlyList<string> now = _command.Arguments;
        for (int i = 0; i < Math.Max(now.Count, then.Count); i++)
        {
            if (i < now.Count && i < then.Count && now[i] == then[i])
            {
                continue;
            }

            string number = (i + 1).ToString(CultureInfo.InvariantCulture);
            _differences.Add(
                i >= then.Count ? $"argument {number}, '{Shorten(now[i])}', is new"
                : i >= now.Count ? $"argument {number}, '{Shorten(then[i])}', is gone"
                : $"argument {number} is '{Shorten(now[i])}', not '{Shorten(then[i])}'");
            return;
        }
    }

    // Names only: values may be secrets, and warnings are logged.
    private void CompareEnvironment(IReadOnlyDictionary<string, string?> then)
    {
        foreach ((string name, string? value) in _command.Environment)
        {
            if (!then.TryGetValue(name, out string? other))
            {
                _differences.Add($"the environment variable {name} was not given");
            }
            else if (value != other)
            {
                _differences.Add($"the environment variable {name} has another value");
            }
        }

        foreach (string name in then.Keys)
        {
            if (!_command.Environment.ContainsKey(name))
            {
                _differences.Add($"the environment variable {name} is not given any more");
            }
        }
    }

    private void CompareFiles(ImageManifestStart start)
    {
        // The dependencies that are recorded in the image always count.
        var then = new Dictionary<string, ImageManifestStartFile>(start.Files.Count, StringComparer.Ordinal);
        foreach (ImageManifestStartFile file in start.Files)
        {
            then[file.Path] = file;
        }

        CommandFiles now = CommandFiles.Find(_command, start.DependsOn.Union(_command.DependsOn), then);
        foreach (ImageManifestStartFile file in start.Files)
        {
            if (file.IsWritten)
            {
                continue;
            }

            FileChange change = FileFingerprint.Compare(file);
            if (change != FileChange.None)
            {
                _files.Add(Describe(file, change));
            }
            else if (file.Size is not null && !now.Roles.ContainsKey(file.Path))
            {
                _files.Add($"{file.Path} is not used any more");
            }
        }

        foreach ((string path, ImageManifestStartRole role) in now.Roles)
        {
            // A file of an argument that did not exist at the start: the program may have created it since.
            if (role != ImageManifestStartRole.Argument && !then.ContainsKey(path) && CommandFiles.IsFile(path))
            {
                _files.Add($"{path} is new");
            }
        }
    }

    private static string Describe(ImageManifestStartFile file, FileChange change) => change switch
    {
        FileChange.Gone => $"{file.Path} is gone",
        FileChange.Added => $"{file.Path} is new",
        FileChange.Moved => $"{file.Path} leads to {RealPath.Find(file.Path)}, not to {file.Target ?? file.Path}",
        _ => $"{file.Path} has changed",
    };

    private IReadOnlyList<string> List()
    {
        if (_files.Count > MaximumNamed)
        {
            int rest = _files.Count - MaximumNamed;
            _files.RemoveRange(MaximumNamed, rest);
            _files.Add(rest == 1 ? "1 more file differs" : string.Create(CultureInfo.InvariantCulture, $"{rest} more files differ"));
        }

        return [.. _differences, .. _files];
    }

    internal static string Shorten(string text) => text.Length <= MaximumText ? text : $"{text.AsSpan(0, MaximumText)}…";
}
