using System.Globalization;
using System.Text;
using System.Xml;

namespace PSCrac.HelpBuilder;

/// <summary>
/// Writes the help of cmdlets as MAML, the only form that Get-Help reads for compiled cmdlets. What PowerShell makes of its elements is
/// in its sources: MamlNode.cs turns them into objects, Help_format_ps1xml.cs shows these.
/// </summary>
internal sealed class MamlWriter : IDisposable
{
    private const string MamlNamespace = "http://schemas.microsoft.com/maml/2004/10";
    private const string CommandNamespace = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    private const string DevNamespace = "http://schemas.microsoft.com/maml/dev/2004/10";

    private readonly XmlWriter _xml;

    private MamlWriter(string path) =>
        _xml = XmlWriter.Create(path, new() { Indent = true, Encoding = new UTF8Encoding(false), NewLineHandling = NewLineHandling.None });

    public static void Write(string path, IReadOnlyList<CommandPage> pages)
    {
        using var writer = new MamlWriter(path);
        writer._xml.WriteStartElement("helpItems", "http://msh");
        writer._xml.WriteAttributeString("schema", "maml");
        foreach (var page in pages)
        {
            writer.WriteCommand(page);
        }
        writer._xml.WriteEndElement();
    }

    public void Dispose() => _xml.Dispose();

    private void Maml(string name, Action content) => Element("maml", name, MamlNamespace, content);

    private void Maml(string name, string text) => Maml(name, () => _xml.WriteString(text));

    private void Command(string name, Action content) => Element("command", name, CommandNamespace, content);

    private void Command(string name, string text) => Command(name, () => _xml.WriteString(text));

    private void Dev(string name, Action content) => Element("dev", name, DevNamespace, content);

    private void Dev(string name, string text) => Dev(name, () => _xml.WriteString(text));

    private void Element(string prefix, string name, string space, Action content)
    {
        _xml.WriteStartElement(prefix, name, space);
        content();
        _xml.WriteEndElement();
    }

    private void WriteCommand(CommandPage page)
    {
        _xml.WriteStartElement("command", "command", CommandNamespace);
        _xml.WriteAttributeString("xmlns", "maml", null, MamlNamespace);
        _xml.WriteAttributeString("xmlns", "dev", null, DevNamespace);
        var names = page.Name.Split('-', 2);
        Command("details", () =>
        {
            Command("name", page.Name);
            Command("verb", names[0]);
            Command("noun", names[^1]);
            Maml("description", () => MamlText.WriteParagraph(_xml, page.Synopsis));
        });
        Text("description", page.Description, MamlText.Width);
        Command("syntax", () =>
        {
            foreach (var set in page.Syntax)
            {
                Command("syntaxItem", () =>
                {
                    Maml("name", page.Name);
                    foreach (var (parameter, membership) in set.Parameters)
                    {
                        WriteParameter(parameter, [membership], null);
                    }
                });
            }
        });
        Command("parameters", () =>
        {
            foreach (var parameter in page.Parameters)
            {
                WriteParameter(parameter, parameter.Sets, () => Text("description", parameter.Description, MamlText.NarrowWidth));
            }
        });
        WriteTypes("inputTypes", "inputType", page.Inputs);
        WriteTypes("returnValues", "returnValue", page.Outputs);
        Maml("alertSet", () => Text("alert", page.Notes, MamlText.NarrowWidth));
        Command("examples", () =>
        {
            foreach (var example in page.Examples)
            {
                WriteExample(example);
            }
        });
        WriteLinks(page);
        _xml.WriteEndElement();
    }

    private void Text(string name, IReadOnlyList<TextBlock> blocks, int width) => Maml(name, () => MamlText.Write(_xml, blocks, width));

    private void WriteParameter(Parameter parameter, IReadOnlyList<Membership> sets, Action? description) => Command("parameter", () =>
    {
        _xml.WriteAttributeString("required", XmlConvert.ToString(sets.Any(set => set.IsRequired)));
        _xml.WriteAttributeString("variableLength", XmlConvert.ToString(sets.Any(set => set.TakesRest) || parameter.Type.EndsWith("[]", StringComparison.Ordinal)));
        _xml.WriteAttributeString("globbing", XmlConvert.ToString(parameter.SupportsWildcards));
        _xml.WriteAttributeString("pipelineInput", PipelineInput(sets));
        _xml.WriteAttributeString("position", Position(sets));
        _xml.WriteAttributeString("aliases", parameter.Aliases.Count > 0 ? string.Join(", ", parameter.Aliases) : "none");
        Maml("name", parameter.Name);
        if (description is not null)
        {
            description();
        }
        if (parameter.AcceptedValues.Count > 0)
        {
            Command("parameterValueGroup", () =>
            {
                foreach (var value in parameter.AcceptedValues)
                {
                    WriteValue(value);
                }
            });
        }
        // A switch has no value to be shown.
        if (!parameter.IsSwitch)
        {
            WriteValue(TypeNames.Short(parameter.Type));
        }
        Dev("type", () =>
        {
            Maml("name", parameter.Type);
            Maml("uri", "");
        });
        if (description is not null)
        {
            Dev("defaultValue", parameter.DefaultValue.Length > 0 ? parameter.DefaultValue : "None");
        }
    });

    // Required is the value, where there is one, whether or not the parameter is.
    private void WriteValue(string name) => Command("parameterValue", () =>
    {
        _xml.WriteAttributeString("required", "true");
        _xml.WriteAttributeString("variableLength", "false");
        _xml.WriteString(name);
    });

    private static string PipelineInput(IReadOnlyList<Membership> sets) => (sets.Any(set => set.ByValue), sets.Any(set => set.ByPropertyName)) switch
    {
        (true, true) => "True (ByValue, ByPropertyName)",
        (true, false) => "True (ByValue)",
        (false, true) => "True (ByPropertyName)",
        _ => "False",
    };

    private static string Position(IReadOnlyList<Membership> sets) =>
        string.Join(" or ", sets.Select(set => set.Position?.ToString(CultureInfo.InvariantCulture) ?? "Named").Distinct().Order(StringComparer.Ordinal));

    private void WriteTypes(string listName, string itemName, IReadOnlyList<PipedType> types) => Command(listName, () =>
    {
        foreach (var type in types)
        {
            Command(itemName, () =>
            {
                Dev("type", () => Maml("name", type.Name));
                Text("description", type.Description, MamlText.NarrowWidth);
            });
        }
    });

    private void WriteExample(Example example) => Command("example", () =>
    {
        var dashes = new string('-', Math.Clamp((MamlText.Width - example.Title.Length - 2) / 2, 0, 9));
        Maml("title", $"{dashes} {example.Title} {dashes}".Trim());
        // One paragraph: here, and only here, Get-Help shows several without a line between, and keeps the lines at the end of one.
        var introduction = MamlText.Paragraphs(example.Introduction, MamlText.Width);
        Maml("introduction", () => MamlText.WriteParagraph(_xml, string.Concat(introduction.Select(text => text + "\n\n"))));
        Dev("code", example.Code);
        Dev("remarks", () =>
        {
            MamlText.Write(_xml, example.Remarks, MamlText.Width);
            // The only way to an empty line before the next example's title.
            MamlText.WriteParagraph(_xml, "");
        });
    });

    private void WriteLinks(CommandPage page) => Command("relatedLinks", () =>
    {
        if (page.HelpUri.Length > 0)
        {
            WriteLink(new("Online Version:", page.HelpUri));
        }
        foreach (var link in page.Links)
        {
            WriteLink(link);
        }
    });

    private void WriteLink(RelatedLink link) => Maml("navigationLink", () =>
    {
        Maml("linkText", link.Text);
        Maml("uri", link.Uri);
    });
}
