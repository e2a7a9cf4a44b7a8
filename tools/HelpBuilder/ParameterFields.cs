using System.Globalization;

namespace PSCrac.HelpBuilder;

/// <summary>The fields of a parameter's block of yaml. Each has to be there, and no other.</summary>
internal sealed class ParameterFields
{
    private static readonly string[] Names =
        ["Type", "DefaultValue", "SupportsWildcards", "Aliases", "ParameterSets", "DontShow", "AcceptedValues", "HelpMessage"];

    private static readonly string[] SetNames =
        ["Name", "Position", "IsRequired", "ValueFromPipeline", "ValueFromPipelineByPropertyName", "ValueFromRemainingArguments"];

    private readonly MarkdownPage _page;
    private readonly YamlNode _node;

    /// <exception cref="PageException">A field is missing, or there is one that the schema does not have.</exception>
    public ParameterFields(MarkdownPage page, YamlNode node)
        : this(page, node, Names)
    {
    }

    private ParameterFields(MarkdownPage page, YamlNode node, string[] names)
    {
        _page = page;
        _node = node;
        var fields = node.Fields ?? throw page.Error(node.Line, "fields are expected here");
        foreach (var (name, value) in fields)
        {
            if (!names.Contains(name))
            {
                throw page.Error(value.Line, $"there is no field '{name}' in the schema");
            }
        }
        foreach (var name in names)
        {
            if (!fields.ContainsKey(name))
            {
                throw page.Error(node.Line, $"the field '{name}' is missing");
            }
        }
    }

    private YamlNode this[string name] => _node.Fields![name];

    public string Text(string name) => this[name].Text ?? throw _page.Error(this[name].Line, $"'{name}' has to be a text");

    public bool Boolean(string name) =>
        bool.TryParse(Text(name), out var value) ? value : throw _page.Error(this[name].Line, $"'{name}' has to be true or false");

    public IReadOnlyList<string> Texts(string name) => Items(name, item => item.Text);

    public IReadOnlyList<Membership> Sets()
    {
        var sets = Items("ParameterSets", item => new ParameterFields(_page, item, SetNames).Set());
        return sets.Count > 0 ? sets : throw _page.Error(this["ParameterSets"].Line, "the parameter is in no parameter set");
    }

    private List<T> Items<T>(string name, Func<YamlNode, T?> read)
        where T : class
    {
        var items = this[name].Items ?? throw _page.Error(this[name].Line, $"'{name}' has to be a list");
        return [.. items.Select(item => read(item) ?? throw _page.Error(item.Line, $"'{name}' has to be a list of texts"))];
    }

    private Membership Set() => new(
        Text("Name"),
        Text("Position") is var position && position == "Named" ? null
            : int.TryParse(position, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
            : throw _page.Error(this["Position"].Line, "'Position' has to be a number, or Named"),
        Boolean("IsRequired"),
        Boolean("ValueFromPipeline"),
        Boolean("ValueFromPipelineByPropertyName"),
        Boolean("ValueFromRemainingArguments"));
}
