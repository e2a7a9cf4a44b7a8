using System.Globalization;
using PSCrac.Images.Manifest;

namespace PSCrac.Starting.Fingerprints;

/// <summary>
/// A path of -DependsOn: a file, a folder with all files in it, or a pattern of these. In a pattern * matches any characters,
/// ? one, [a-z] one of these, and a folder ** any number of folders.
/// </summary>
internal sealed class PathPattern
{
    private const string AnyFolders = "**";
    private readonly CommandFiles _files;
    private readonly string _pattern;
    private int _budget = FolderFiles.MaximumFiles;
    private bool _isFound;

    private PathPattern(CommandFiles files, string pattern)
    {
        _files = files;
        _pattern = pattern;
    }

    /// <summary>Adds the files that a path or pattern matches. A path without wildcards is added even if nothing is there.</summary>
    /// <returns>Whether it matches anything.</returns>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: they are too many.</exception>
    internal static bool Add(CommandFiles files, string path)
    {
        var pattern = new PathPattern(files, Path.TrimEndingDirectorySeparator(path));
        pattern.Add();
        return pattern._isFound;
    }

    /// <summary>Whether a name matches one part of a pattern. A dot at the start of a name is matched only by a dot.</summary>
    internal static bool IsMatch(ReadOnlySpan<char> name, ReadOnlySpan<char> pattern) =>
        (!name.StartsWith('.') || pattern.StartsWith('.')) && IsRestMatch(name, pattern);

    private static bool HasWildcards(string path) => path.AsSpan().ContainsAny("*?[");

    private void Add()
    {
        // A path that exists is meant literally, even if it has wildcard characters.
        if (Path.Exists(_pattern))
        {
            AddExisting(_pattern);
        }
        else if (HasWildcards(_pattern))
        {
            Walk("/", _pattern.Split('/', StringSplitOptions.RemoveEmptyEntries));
        }
        else
        {
            _files.Add(_pattern, ImageManifestStartRole.DependsOn);
        }
    }

    private void Walk(string folder, ReadOnlySpan<string> parts)
    {
        if (parts.IsEmpty)
        {
            AddExisting(folder);
            return;
        }

        string part = parts[0];
        string plain = Path.Join(folder, part);
        if (part != AnyFolders && (!HasWildcards(part) || Path.Exists(plain)))
        {
            if (Path.Exists(plain))
            {
                Walk(plain, parts[1..]);
            }

            return;
        }

        if (part == AnyFolders)
        {
            Walk(folder, parts[1..]);
        }

        foreach (string path in GetEntries(folder))
        {
            Spend(1);
            if (part == AnyFolders)
            {
                if (IsFolder(path))
                {
                    Walk(path, parts);
                }
            }
            else if (IsMatch(Path.GetFileName(path), part))
            {
                Walk(path, parts[1..]);
            }
        }
    }

    private void AddExisting(string path)
    {
        _isFound = true;
        if (!Directory.Exists(path))
        {
            _files.Add(path, ImageManifestStartRole.DependsOn);
            return;
        }

        List<string>? found = FolderFiles.TryFind(path, static _ => true);
        Spend(found?.Count ?? FolderFiles.MaximumFiles + 1);
        foreach (string file in found!)
        {
            _files.Add(file, ImageManifestStartRole.DependsOn);
        }
    }

    private void Spend(int count)
    {
        _budget -= count;
        if (_budget < 0)
        {
            throw new CracException(
                CracReason.OptionRefused,
                string.Create(CultureInfo.InvariantCulture, $"-DependsOn {_pattern} matches more than {FolderFiles.MaximumFiles} files."),
                "Name fewer with -DependsOn: those that the program reads when it starts.");
        }
    }

    private static string[] GetEntries(string folder)
    {
        try
        {
            return Directory.GetFileSystemEntries(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    // ** does not enter links, which may form a circle, nor hidden folders, nor images.
    private static bool IsFolder(string path) =>
        !Path.GetFileName(path.AsSpan()).StartsWith('.') && Directory.Exists(path) && new FileInfo(path).LinkTarget is null && !CracImage.IsImageDirectory(path);

    private static bool IsRestMatch(ReadOnlySpan<char> name, ReadOnlySpan<char> pattern)
    {
        // The pattern after the last *, and the name after what the * matches: on a mismatch the * matches one character more.
        ReadOnlySpan<char> afterStar = default;
        ReadOnlySpan<char> rest = default;
        bool hasStar = false;
        while (true)
        {
            if (pattern.StartsWith('*'))
            {
                pattern = pattern[1..];
                afterStar = pattern;
                rest = name;
                hasStar = true;
                continue;
            }

            if (name.IsEmpty && pattern.IsEmpty)
            {
                return true;
            }

            if (!name.IsEmpty && !pattern.IsEmpty && IsOneMatch(name[0], pattern, out int length))
            {
                name = name[1..];
                pattern = pattern[length..];
                continue;
            }

            if (!hasStar || rest.IsEmpty)
            {
                return false;
            }

            rest = rest[1..];
            name = rest;
            pattern = afterStar;
        }
    }

    private static bool IsOneMatch(char each, ReadOnlySpan<char> pattern, out int length)
    {
        length = 1;
        int end = pattern[0] == '[' ? pattern.IndexOf(']') : -1;
        if (end < 2)
        {
            return pattern[0] == '?' || pattern[0] == each;
        }

        length = end + 1;
        ReadOnlySpan<char> set = pattern[1..end];
        for (int i = 0; i < set.Length; i++)
        {
            bool isRange = i + 2 < set.Length && set[i + 1] == '-';
            if (isRange ? each >= set[i] && each <= set[i + 2] : each == set[i])
            {
                return true;
            }

            i += isRange ? 2 : 0;
        }

        return false;
    }
}
