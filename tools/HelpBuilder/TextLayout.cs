namespace PSCrac.HelpBuilder;

/// <summary>Lays running text out in lines of a screen.</summary>
internal static class TextLayout
{
    private const string CodeIndent = "    ";
    private const string Gap = "  ";

    // The least width that a table's last column is wrapped at.
    private const int LeastWidth = 16;

    /// <summary>The lines of several blocks, with an empty one between two of them.</summary>
    public static IEnumerable<string> Lines(IReadOnlyList<TextBlock> blocks, int width) =>
        blocks.SelectMany((block, i) => i == 0 ? Lines(block, width) : Lines(block, width).Prepend(""));

    /// <summary>
    /// The lines of a block, without blanks at their ends. None is longer than the width, unless it is code or a single word.
    /// </summary>
    public static IEnumerable<string> Lines(TextBlock block, int width) => block switch
    {
        Paragraph paragraph => Wrap(paragraph.Text, width),
        CodeText code => code.Text.Split('\n').Select(line => (CodeIndent + line).TrimEnd()),
        ListText list => list.Items.SelectMany((item, i) => Hang(list.FirstNumber is { } first ? $"{first + i}. " : "- ", item, width)),
        TableText table => Table(table.Rows, width),
        _ => throw new ArgumentException($"no text: {block.GetType().Name}", nameof(block)),
    };

    /// <summary>Breaks a text between words into lines. A word that is longer than a line has a line of its own.</summary>
    private static IEnumerable<string> Wrap(string text, int width)
    {
        foreach (var part in text.Split('\n'))
        {
            var line = "";
            foreach (var word in part.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                if (line.Length > 0 && line.Length + 1 + word.Length > width)
                {
                    yield return line;
                    line = "";
                }
                line += line.Length > 0 ? $" {word}" : word;
            }
            yield return line;
        }
    }

    // An item of a list: its mark before the first line, blanks of the same width before the others. A list below an item's words
    // follows them at once.
    private static IEnumerable<string> Hang(string mark, IReadOnlyList<TextBlock> item, int width)
    {
        var lines = item.Count == 2 && item[1] is ListText
            ? item.SelectMany(block => Lines(block, width - mark.Length))
            : Lines(item, width - mark.Length);
        var blanks = new string(' ', mark.Length);
        return lines.Select((line, i) => i == 0 ? mark + line : line.Length == 0 ? "" : blanks + line);
    }

    // Columns side by side, the last one wrapped where it would pass the width.
    private static IEnumerable<string> Table(IReadOnlyList<IReadOnlyList<string>> rows, int width)
    {
        var last = rows[0].Count - 1;
        var widths = Enumerable.Range(0, last + 1).Select(column => rows.Max(row => row[column].Length)).ToArray();
        var before = widths.Take(last).Sum(column => column + Gap.Length);
        widths[last] = Math.Min(widths[last], Math.Max(LeastWidth, width - before));
        for (var row = 0; row < rows.Count; row++)
        {
            var head = string.Concat(rows[row].Take(last).Select((cell, column) => cell.PadRight(widths[column]) + Gap));
            foreach (var line in Wrap(rows[row][last], widths[last]))
            {
                yield return (head + line).TrimEnd();
                head = new(' ', before);
            }
            if (row == 0)
            {
                yield return string.Join(Gap, widths.Select(column => new string('-', column)));
            }
        }
    }
}
