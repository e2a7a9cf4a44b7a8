using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Text;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Procfs;

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
    /// <see cref="CracReason.OptionRefused"/>: -CriuOption names an option that PSCrac sets, or the file cannot hold a value;
    /// <see cref="CracReason.FileNotTrusted"/>: as root, someone else may change what an option has criu run.
    /// </exception>
    internal static string? Compose(CriuOptions options)
    {
        CriuTrust.Require(options);
        var text = new StringBuilder();
        foreach ((string name, object? value) in options.InConfigurationFile())
        {
            RequireName(name, options.Scope);
            Append(text, name, value);
        }

        return text.Length == 0 ? null : text.ToString();
    }

    /// <summary>criu's own configuration files, which take effect in every operation (criu(8), CONFIGURATION FILES).</summary>
    internal static IReadOnlyList<string> FilesInEffect() => [.. DefaultFiles().Where(File.Exists)];

    /// <summary>Where criu looks for them, whether they exist or not.</summary>
    internal static IEnumerable<string> DefaultFiles()
    {
        yield return "/etc/criu/default.conf";
        if (FindHome(out _) is { } home)
        {
            yield return Path.Combine(home, ".criu", "default.conf");
        }
    }

    /// <summary>
    /// The home folder in which criu looks for its configuration: HOME, if it is the caller's. A session that became root may have
    /// kept another user's (sudo -E, su -m), which must not configure what root does.
    /// </summary>
    /// <param name="whyNot">Why HOME is not used, as a sentence; null if it is, or is not set.</param>
    internal static string? FindHome(out string? whyNot)
    {
        whyNot = null;
        if (Environment.GetEnvironmentVariable("HOME") is not { } home)
        {
            return null;
        }

        whyNot = !Path.IsPathRooted(home) ? $"HOME is '{home}', which is not a full path"
            : FileStatus.TryRead(home, 0, out FileStatus status, out _) && status.UserId != LibC.GetEffectiveUserId() ? $"HOME is {home}, which belongs to user {status.UserId}"
            : FileTrust.Find(home) is { } access ? $"HOME is {home}, and {access.Why}"
            : null;
        return whyNot is null ? home : null;
    }

    /// <summary>The options in those files that have a value, in their order.</summary>
    internal static IEnumerable<(string Name, string Value)> ReadInEffect()
    {
        foreach (string file in FilesInEffect())
        {
            foreach (string line in File.ReadLines(file))
            {
                string[] words = line.Split('#')[0].Split((char[])[' ', '\t', '='], StringSplitOptions.RemoveEmptyEntries);
                if (words.Length == 2)
                {
                    yield return (words[0], words[1].Trim('"', '\''));
                }
            }
        }
    }

    /// <summary>The value that those files give an option; null if they do not name it. The last one counts.</summary>
    internal static string? FindInEffect(string name) => ReadInEffect().LastOrDefault(each => each.Name == name).Value;

    /// <summary>Whether the file can hold a value of an option.</summary>
    internal static bool CanHold(string value) => value.Length > 0 && !value.AsSpan().ContainsAny(ForbiddenCharacters) && !value.Any(char.IsWhiteSpace);

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
            throw row.Refuse(scope);
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
            if (!CanHold(argument))
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
