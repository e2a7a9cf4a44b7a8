using PSCrac.Images.Manifest;

namespace PSCrac.Starting.Fingerprints;

/// <summary>The files that arguments name.</summary>
internal static class ArgumentFiles
{
    // PATH_MAX; a longer argument, such as a script after -c, is no path.
    private const int MaximumLength = 4096;

    /// <summary>
    /// Adds each file that an argument names: the argument itself, the part after its first '=' or ':', after '@' or after the
    /// letter of an option, and each part of a list. A leading file: is removed.
    /// </summary>
    internal static void Add(CommandFiles files, IEnumerable<string> arguments)
    {
        foreach (string argument in arguments)
        {
            if (argument.Length is > 0 and <= MaximumLength && !argument.AsSpan().ContainsAny('\n', '\0'))
            {
                AddOf(files, argument);
            }
        }
    }

    private static void AddOf(CommandFiles files, string argument)
    {
        if (AddValue(files, argument))
        {
            return;
        }

        if (argument is ['-', not '-', '/' or '.', ..])
        {
            AddValue(files, argument[2..]);
        }

        int equals = argument.IndexOf('=', StringComparison.Ordinal);
        if (equals >= 0)
        {
            AddValue(files, argument[(equals + 1)..]);
        }

        // As in -javaagent:agent.jar=options.
        int colon = argument.IndexOf(':', StringComparison.Ordinal);
        if (colon >= 0 && argument.StartsWith('-') && (equals < 0 || colon < equals))
        {
            AddValue(files, argument[(colon + 1)..(equals < 0 ? argument.Length : equals)]);
        }
    }

    private static bool AddValue(CommandFiles files, string value)
    {
        string path = value.StartsWith("file://", StringComparison.Ordinal) ? value["file://".Length..]
            : value.StartsWith("file:", StringComparison.Ordinal) ? value["file:".Length..]
            : value.StartsWith('@') ? value[1..]
            : value;
        if (path.Length == 0)
        {
            return false;
        }

        if (files.TryAdd(path, ImageManifestStartRole.Argument))
        {
            return true;
        }

        if (!path.AsSpan().ContainsAny(':', ',', ';'))
        {
            return false;
        }

        bool hasAny = false;
        foreach (string part in path.Split((char[])[':', ',', ';'], StringSplitOptions.RemoveEmptyEntries))
        {
            hasAny |= files.TryAdd(part, ImageManifestStartRole.Argument);
        }

        return hasAny;
    }
}
