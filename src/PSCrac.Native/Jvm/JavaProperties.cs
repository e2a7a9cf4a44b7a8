using System.Globalization;
using System.Text;

namespace PSCrac.Jvm;

/// <summary>The text form of java.util.Properties (its load method's documentation), as a JVM's answer has it.</summary>
internal static class JavaProperties
{
    /// <summary>Reads properties; a later one of the same name wins.</summary>
    internal static Dictionary<string, string> Parse(string text)
    {
        var properties = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string line in text.Split('\n'))
        {
            string trimmed = line.TrimEnd('\r').TrimStart(' ', '\t', '\f');
            if (trimmed.Length == 0 || trimmed[0] is '#' or '!')
            {
                continue;
            }

            int separator = FindSeparator(trimmed);
            string value = separator < trimmed.Length ? trimmed[(separator + 1)..] : string.Empty;
            properties[Unescape(trimmed[..separator])] = Unescape(value);
        }

        return properties;
    }

    // The first = or : without a backslash before it. A JVM writes no blanks around it and no continued lines.
    private static int FindSeparator(string line)
    {
        for (int i = 0; i < line.Length; i++)
        {
            if (line[i] == '\\')
            {
                i++;
            }
            else if (line[i] is '=' or ':')
            {
                return i;
            }
        }

        return line.Length;
    }

    private static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
        {
            return text;
        }

        var plain = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 == text.Length)
            {
                plain.Append(text[i]);
                continue;
            }

            char escaped = text[++i];
            if (escaped == 'u' && i + 4 < text.Length && int.TryParse(text.AsSpan(i + 1, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out int code))
            {
                plain.Append((char)code);
                i += 4;
                continue;
            }

            plain.Append(escaped switch { 't' => '\t', 'n' => '\n', 'r' => '\r', 'f' => '\f', _ => escaped });
        }

        return plain.ToString();
    }
}
