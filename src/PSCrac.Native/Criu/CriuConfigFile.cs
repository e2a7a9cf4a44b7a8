using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Text;
using PSCrac.Options;

namespace PSCrac.Criu;

/// <summary>
/// The configuration file of one operation, for the options that libcriu has no setter for. Its options override the setters, so it
/// must not contain an option that PSCrac sets itself.
/// </summary>
internal static class CriuConfigFile
{
    // criu's parser splits lines at blanks, starts a comment at '#' anywhere and miscounts quoted text.
    private static readonly SearchValues<char> ForbiddenCharacters = SearchValues.Create("\n\r\0\"#\\");

    /// <summary>The file's text for the options; null if no option needs the file.</summary>
    /// <param name="options">The options of an operation.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.OptionRefused"/>: -CriuOption names an option that PSCrac sets, or the file cannot hold a value.
    /// </exception>
    internal static string? Compose(CriuOptions options)
    {
        var text = new StringBuilder();
        foreach ((string name, object? value) in options.InConfigurationFile())
        {
            RequireName(name, options.Scope);
            Append(text, name, value);
        }

        return text.Length == 0 ? null : text.ToString();
    }

    /// <summary>criu's own configuration files, which take effect in every operation (criu(8), CONFIGURATION FILES).</summary>
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

    /// <summary>The value that those files give an option; null if they do not name it. The last one counts.</summary>
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

    private static void RequireName(string name, OptionScope scope)
    {
        if (name.Length == 0 || !name.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-') || name[0] == '-')
        {
            throw new CracException(
                CracReason.OptionRefused,
                $"'{name}' is not the name of a criu option.",
                "Give criu's long option name without the leading dashes, such as 'skip-mnt'.");
        }

        if (OptionTable.Find(name) is { IsReserved: true } row)
        {
            throw new CracException(
                CracReason.OptionRefused,
                $"criu's option --{name} is set by PSCrac itself.",
                row.Refusal(scope));
        }
    }

    private static void Append(StringBuilder text, string name, object? value)
    {
        if (value is IEnumerable list and not string)
        {
            foreach (object? each in list)
            {
                AppendLine(text, name, each);
            }
        }
        else
        {
            AppendLine(text, name, value);
        }
    }

    private static void AppendLine(StringBuilder text, string name, object? value)
    {
        if (value is false)
        {
            return;
        }

        text.Append(name);
        if (value is not (null or true))
        {
            string argument = Convert.ToString(value, CultureInfo.InvariantCulture) ?? string.Empty;
            if (argument.Length == 0 || argument.AsSpan().ContainsAny(ForbiddenCharacters) || argument.Any(char.IsWhiteSpace))
            {
                throw new CracException(
                    CracReason.OptionRefused,
                    $"The value of criu's option --{name} is empty, or has a blank, a line break, a quote, a backslash or a '#', which criu's configuration file cannot hold.",
                    "Give a value without these characters; for a path, use a symbolic link whose name has none of them.");
            }

            text.Append(' ').Append(argument);
        }

        text.Append('\n');
    }
}
