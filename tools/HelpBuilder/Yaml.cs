using System.Text.RegularExpressions;

namespace PSCrac.HelpBuilder;

/// <summary>A value in YAML: a text, a list, or fields. Exactly one of the three is not null.</summary>
/// <param name="Line">Where it stands in the page, counted from 1.</param>
internal sealed record YamlNode(int Line, string? Text, IReadOnlyList<YamlNode>? Items, IReadOnlyDictionary<string, YamlNode>? Fields);

/// <summary>
/// Reads as much of YAML as the pages' schema uses: fields, lists of texts or of fields, and texts on one line, plain or quoted.
/// Whatever else YAML has is an error.
/// </summary>
internal sealed partial class Yaml
{
    private readonly MarkdownPage _page;
    private readonly string[] _lines;
    private readonly int _firstLine;
    private int _next;

    private Yaml(MarkdownPage page, string text, int firstLine)
    {
        _page = page;
        _lines = text.Split('\n');
        _firstLine = firstLine;
    }

    /// <param name="page">Named in errors.</param>
    /// <param name="text">The YAML, which has fields at its outermost.</param>
    /// <param name="firstLine">The line of the page that the text begins on, counted from 1.</param>
    /// <exception cref="PageException">It is no YAML, or more of it than is understood here.</exception>
    public static YamlNode Read(MarkdownPage page, string text, int firstLine)
    {
        var reader = new Yaml(page, text.TrimEnd(), firstLine);
        var fields = reader.ReadFields(0);
        return reader._next == reader._lines.Length ? fields : throw reader.Error("this line is indented as none before it");
    }

    [GeneratedRegex(@"^(?<name>[^\s'""#:\-][^'""#:]*):(?: +(?<value>.*))?$", RegexOptions.ExplicitCapture)]
    private static partial Regex Field();

    private PageException Error(string message) => _page.Error(_firstLine + _next, message);

    private int Indent()
    {
        while (_next < _lines.Length && string.IsNullOrWhiteSpace(_lines[_next]))
        {
            _next++;
        }
        return _next < _lines.Length ? _lines[_next].Length - _lines[_next].TrimStart(' ').Length : -1;
    }

    private bool AtItem(int indent) => Indent() == indent && _lines[_next].AsSpan(indent).StartsWith("- ");

    private YamlNode ReadFields(int indent)
    {
        var line = _firstLine + _next;
        var fields = new Dictionary<string, YamlNode>(StringComparer.Ordinal);
        while (Indent() == indent && !AtItem(indent))
        {
            var match = Field().Match(_lines[_next].Trim());
            if (!match.Success)
            {
                throw Error($"'{_lines[_next].Trim()}' is no 'name: value'");
            }
            var name = match.Groups["name"].Value;
            var value = match.Groups["value"].Value.Trim();
            if (fields.ContainsKey(name))
            {
                throw Error($"the field '{name}' is there twice");
            }
            fields[name] = value.Length > 0 ? ReadText(value) : ReadBelow(indent);
        }
        return new(line, null, null, fields);
    }

    // What stands below a field that has nothing on its own line. A list may be indented as its field is.
    private YamlNode ReadBelow(int indent)
    {
        var line = _firstLine + _next++;
        var below = Indent();
        if (below < indent || !AtItem(below))
        {
            return below > indent ? ReadFields(below) : new(line, "", null, null);
        }
        var items = new List<YamlNode>();
        while (AtItem(below))
        {
            var item = _lines[_next][(below + 2)..];
            if (Field().IsMatch(item.Trim()))
            {
                _lines[_next] = new string(' ', below + 2) + item;
                items.Add(ReadFields(below + 2));
            }
            else
            {
                items.Add(ReadText(item.Trim()));
            }
        }
        return new(line, null, items, null);
    }

    private YamlNode ReadText(string value)
    {
        var line = _firstLine + _next;
        if (value is ['[', .. var inner, ']'])
        {
            var items = inner.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            var list = items.Select(item => new YamlNode(line, Unquote(item), null, null)).ToList();
            _next++;
            return new(line, null, list, null);
        }
        var text = Unquote(value);
        _next++;
        return new(line, text, null, null);
    }

    private string Unquote(string value) => value switch
    {
        ['\'', .. var inner, '\''] when !inner.Replace("''", "").Contains('\'') => inner.Replace("''", "'"),
        ['"', .. var inner, '"'] when !inner.Contains('"') && !inner.Contains('\\') => inner,
        ['\'' or '"' or '|' or '>' or '&' or '*' or '!' or '{' or '[', ..] => throw Error($"{value} is YAML that is not understood here"),
        _ when value.Contains(": ") || value.Contains(" #") => throw Error($"{value} has to be in quotes"),
        _ => value,
    };
}
