using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Text;

namespace PSCrac.Criu;

/// <summary>
/// The configuration file made for one operation, for the options that libcriu has no setter for. What stands in it
/// overrides what the setters set, so it must not name what PSCrac sets itself.
/// </summary>
internal static class CriuConfigFile
{
    // criu's parser splits its lines at blanks, takes '#' anywhere for a comment and miscounts what is quoted.
    private static readonly SearchValues<char> NotCarried = SearchValues.Create("\n\r\0\"#\\");

    // Names with the parameter that stands for them; an empty one means that PSCrac alone decides.
    private static readonly Dictionary<string, string> Refused = new(StringComparer.Ordinal)
    {
        ["tree"] = "-Id",
        ["images-dir"] = "-ImagePath",
        ["leave-running"] = "-LeaveRunning",
        ["shell-job"] = "-ShellJob",
        ["tcp-established"] = "-TcpEstablished",
        ["tcp-close"] = "-TcpClose",
        ["file-locks"] = "-FileLocks",
        ["link-remap"] = "-LinkRemap",
        ["ghost-limit"] = "-GhostLimit",
        ["ext-unix-sk"] = "-ExternalUnixSocket",
        ["track-mem"] = "-TrackMemory",
        ["prev-images-dir"] = "-ParentImage",
        ["timeout"] = "-FreezeTimeout",
        ["lazy-pages"] = "-LazyPages",
        ["work-dir"] = "",
        ["log-file"] = "",
        ["verbosity"] = "",
        ["log-pid"] = "",
        ["leave-stopped"] = "",
        ["restore-detached"] = "",
        ["restore-sibling"] = "-Wait",
        ["daemon"] = "",
        ["config"] = "",
        ["no-default-config"] = "",
        ["help"] = "",
        ["version"] = "",
        ["pidfile"] = "",
        ["status-fd"] = "",
        ["ps-socket"] = "",
        ["inherit-fd"] = "",
        ["exec-cmd"] = "",
        ["stream"] = "",
        ["feature"] = "",
        ["all"] = "",
        ["extra"] = "",
        ["experimental"] = "",
        ["close"] = "",
        ["page-server"] = "",
    };

    /// <summary>The file's text for the options; null where there is nothing to put into it.</summary>
    /// <param name="options">Options by long name.</param>
    /// <exception cref="CracException"><see cref="CracReason.OptionRefused"/>: PSCrac sets it, or the file cannot carry its value.</exception>
    internal static string? Compose(IReadOnlyDictionary<string, object?> options)
    {
        var text = new StringBuilder();
        foreach ((string name, object? value) in options)
        {
            RequireName(name);
            foreach (object? each in value is IEnumerable list and not string ? list.Cast<object?>() : [value])
            {
                Append(text, name, each);
            }
        }

        return text.Length == 0 ? null : text.ToString();
    }

    /// <summary>criu's own configuration files that take effect whatever PSCrac says (criu(8), CONFIGURATION FILES).</summary>
    internal static IReadOnlyList<string> FilesInEffect()
    {
        var files = new List<string>();
        string? home = Environment.GetEnvironmentVariable("HOME");
        foreach (string? path in (string?[])["/etc/criu/default.conf", home is null ? null : Path.Combine(home, ".criu", "default.conf")])
        {
            if (path is not null && File.Exists(path))
            {
                files.Add(path);
            }
        }

        return files;
    }

    /// <summary>What those files say of an option with a value; null where they say nothing of it. The last one counts.</summary>
    internal static string? FindInEffect(string name)
    {
        string? found = null;
        foreach (string file in FilesInEffect())
        {
            foreach (string line in File.ReadLines(file))
            {
                string[] words = line.Split('#')[0].Split((char[])[' ', '\t', '='], StringSplitOptions.RemoveEmptyEntries);
                if (words.Length == 2 && words[0] == name)
                {
                    found = words[1].Trim('"', '\'');
                }
            }
        }

        return found;
    }

    private static void RequireName(string name)
    {
        if (name.Length == 0 || !name.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-') || name[0] == '-')
        {
            throw new CracException(
                CracReason.OptionRefused,
                $"'{name}' is not the name of a criu option.",
                "Give criu's long option name without the leading dashes, such as 'skip-mnt'.");
        }

        if (Refused.TryGetValue(name, out string? parameter))
        {
            throw new CracException(
                CracReason.OptionRefused,
                $"criu's option --{name} is set by PSCrac itself.",
                parameter.Length == 0 ? $"Leave '{name}' out of -CriuOption." : $"Use the parameter {parameter} instead.");
        }
    }

    private static void Append(StringBuilder text, string name, object? value)
    {
        if (value is false)
        {
            return;
        }

        text.Append(name);
        if (value is not (null or true))
        {
            string word = Convert.ToString(value, CultureInfo.InvariantCulture) ?? string.Empty;
            if (word.Length == 0 || word.AsSpan().ContainsAny(NotCarried) || word.Any(char.IsWhiteSpace))
            {
                throw new CracException(
                    CracReason.OptionRefused,
                    $"The value of criu's option --{name} is empty, or has a blank, a line break, a quote, a backslash or a '#', which criu's configuration file cannot carry.",
                    "Give a value without these characters; for a path, a symbolic link with a plainer name serves.");
            }

            text.Append(' ').Append(word);
        }

        text.Append('\n');
    }
}
