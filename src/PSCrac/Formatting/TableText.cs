using System.Buffers;
using System.Globalization;
using System.Management.Automation.Host;
using System.Text;

namespace PSCrac.Formatting;

/// <summary>
/// Text for the cells of tables and lists. PowerShell wraps a cell at the character where the culture is none of a few, so the
/// views of this module hand it lines that fit: broken between words, and a word that is longer than its column, such as a
/// path, after one of its own separators.
/// </summary>
public static class TableText
{
    private const int WidestProse = 120;
    private const int Narrowest = 10;
    private const int UsualWidth = 80;
    private static readonly SearchValues<char> Separators = SearchValues.Create(":,;-_.=\\");

    /// <summary>Breaks a text into lines of a width, in characters. Line feeds in the text stay; other control and bidirectional characters are escaped.</summary>
    public static string Wrap(string? text, int width)
    {
        text = TerminalText.Escape(text, keepsLines: true);
        if (string.IsNullOrEmpty(text) || (text.Length <= width && !text.Contains('\n', StringComparison.Ordinal)))
        {
            return text ?? "";
        }

        var lines = new StringBuilder(text.Length + 16);
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            AppendLine(lines, line, width);
        }

        return lines.ToString(0, lines.Length - 1);
    }

    /// <summary>Breaks a text for the last column of a table, or the values of a list.</summary>
    /// <param name="text">The text; null for none.</param>
    /// <param name="host">The host, whose window is as wide as the table may be.</param>
    /// <param name="used">What is left of the column, in characters.</param>
    public static string WrapRest(string? text, PSHost host, int used) => Wrap(text, Rest(host, used));

    /// <summary>One line for the last column of a table, with an ellipsis where it does not fit.</summary>
    /// <param name="text">The text; null for none.</param>
    /// <param name="host">The host, whose window is as wide as the table may be.</param>
    /// <param name="used">What is left of the column, in characters.</param>
    public static string CutRest(string? text, PSHost host, int used) => Cut(text, Rest(host, used));

    /// <summary>A text in which control and bidirectional characters are escaped.</summary>
    public static string Escape(string? text) => TerminalText.Escape(text);

    /// <summary>One line of at most a width, in characters, with an ellipsis where it does not fit.</summary>
    public static string Cut(string? text, int width)
    {
        string line = TerminalText.Escape(text?.ReplaceLineEndings(" "));
        return line.Length <= width ? line : string.Concat(line.AsSpan(0, width - 1), "…");
    }

    /// <summary>A size with its unit in at most nine characters, such as <c>3.7 MiB</c>.</summary>
    /// <param name="bytes">The size, in bytes.</param>
    public static string Size(long bytes)
    {
        (double value, string unit) = bytes switch
        {
            >= 1L << 40 => (bytes / (double)(1L << 40), "TiB"),
            >= 1L << 30 => (bytes / (double)(1L << 30), "GiB"),
            >= 1L << 20 => (bytes / (double)(1L << 20), "MiB"),
            _ => (bytes / 1024.0, "KiB"),
        };
        return value < 100 && bytes >= 1L << 20
            ? string.Create(CultureInfo.CurrentCulture, $"{value:N1} {unit}")
            : string.Create(CultureInfo.CurrentCulture, $"{value:N0} {unit}");
    }

    /// <summary>A time in milliseconds, such as <c>105 ms</c>; empty for none.</summary>
    public static string Milliseconds(TimeSpan? time) =>
        time is { } value ? string.Create(CultureInfo.CurrentCulture, $"{value.TotalMilliseconds:N0} ms") : "";

    /// <summary>A finding's what, and below it, indented, why and what to do.</summary>
    /// <param name="finding">The finding.</param>
    /// <param name="host">The host, whose window is as wide as the table may be.</param>
    /// <param name="used">What is left of the column, in characters.</param>
    public static string Finding(CracFinding finding, PSHost host, int used)
    {
        ArgumentNullException.ThrowIfNull(finding);
        int width = Math.Min(Rest(host, used), WidestProse);
        var text = new StringBuilder();
        text.Append(Wrap(finding.What, width));
        AppendIndented(text, finding.Why, width);
        AppendIndented(text, finding.RecommendedAction, width);
        return text.ToString();
    }

    private static void AppendIndented(StringBuilder text, string? more, int width)
    {
        if (!string.IsNullOrEmpty(more))
        {
            text.Append("\n  ").Append(Wrap(more, width - 2).Replace("\n", "\n  ", StringComparison.Ordinal));
        }
    }

    // A host's table leaves the last character of a line free where the terminal would begin a new one after it.
    private static int Rest(PSHost? host, int used)
    {
        int width;
        try
        {
            width = host?.UI?.RawUI?.BufferSize.Width ?? UsualWidth;
        }
        catch (Exception e) when (e is HostException or NotImplementedException or NotSupportedException or InvalidOperationException)
        {
            width = UsualWidth;
        }

        return Math.Max((width > 0 ? width : UsualWidth) - 1 - used, Narrowest);
    }

    private static void AppendLine(StringBuilder lines, ReadOnlySpan<char> line, int width)
    {
        while (line.Length > width)
        {
            // A line may end before a blank, which the break takes the place of.
            int end = line[..(width + 1)].LastIndexOf(' ');
            int next = end + 1;
            if (end <= 0 || line[..end].IsWhiteSpace())
            {
                end = next = BreakInWord(line[..width]);
            }

            lines.Append(line[..end].TrimEnd(' ')).Append('\n');
            line = line[next..];
        }

        lines.Append(line).Append('\n');
    }

    // A path is broken between folders, unless that leaves most of the line empty.
    private static int BreakInWord(ReadOnlySpan<char> word)
    {
        int slash = word.LastIndexOf('/') + 1;
        if (slash > word.Length / 3)
        {
            return slash;
        }

        int separator = word.LastIndexOfAny(Separators) + 1;
        return separator > word.Length / 3 ? separator : word.Length;
    }
}
