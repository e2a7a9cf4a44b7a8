using System.Globalization;
using System.Text.RegularExpressions;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace PSCrac.HelpBuilder;

/// <summary>Reads the page of a cmdlet, which follows the schema 2024-05-01 of PlatyPS.</summary>
internal sealed partial class CommandPageReader
{
    private const string CommonParameters = "CommonParameters";

    private static readonly string[] Required =
        ["SYNOPSIS", "SYNTAX", "DESCRIPTION", "EXAMPLES", "PARAMETERS", "INPUTS", "OUTPUTS", "NOTES", "RELATED LINKS"];

    private readonly MarkdownPage _page;
    private readonly Dictionary<string, Section> _sections;

    private CommandPageReader(MarkdownPage page)
    {
        _page = page;
        _sections = page.Sections.ToDictionary(section => section.Title);
    }

    /// <exception cref="PageException">The page does not follow the schema, or contradicts itself.</exception>
    public static CommandPage Read(MarkdownPage page) => new CommandPageReader(page).Read();

    [GeneratedRegex(@"^Example (?<number>\d+): \S")]
    private static partial Regex ExampleTitle();

    private CommandPage Read()
    {
        // PlatyPS writes a section of aliases too. PowerShell shows the aliases that there are by itself.
        foreach (var section in _page.Sections)
        {
            if (section.Title != "ALIASES" && !Required.Contains(section.Title))
            {
                throw _page.Error(section.Line, $"there is no section '{section.Title}' in a cmdlet's page");
            }
        }
        foreach (var title in Required)
        {
            if (!_sections.ContainsKey(title))
            {
                throw _page.Error(1, $"the section '## {title}' is missing");
            }
        }
        var parameters = ReadParameters();
        return new()
        {
            Name = _page.Name,
            HelpFile = ReadHelpFile(),
            HelpUri = FrontMatterText("HelpUri") ?? "",
            Synopsis = Texts("SYNOPSIS") is [Paragraph synopsis] ? synopsis.Text : throw _page.Error(_sections["SYNOPSIS"].Line, "the synopsis is one paragraph"),
            Description = Texts("DESCRIPTION"),
            Syntax = SyntaxReader.Read(_page, Subsections("SYNTAX"), parameters),
            Parameters = parameters,
            Examples = ReadExamples(),
            Inputs = ReadTypes("INPUTS"),
            Outputs = ReadTypes("OUTPUTS"),
            Notes = Texts("NOTES"),
            Links = ReadLinks(),
        };
    }

    private string? FrontMatterText(string name) => _page.FrontMatter?.Fields?.GetValueOrDefault(name)?.Text;

    private string ReadHelpFile()
    {
        var name = FrontMatterText("external help file");
        return !string.IsNullOrEmpty(name) && name == Path.GetFileName(name) ? name
            : throw _page.Error(1, "the front matter has no 'external help file' that is a file's name");
    }

    private IReadOnlyList<TextBlock> Texts(string title)
    {
        var section = _sections[title];
        return section.Blocks.Count > 0 ? TextReader.Blocks(_page, section.Blocks) : throw _page.Error(section.Line, $"the section '{title}' is empty");
    }

    private IReadOnlyList<Section> Subsections(string title)
    {
        var section = _sections[title];
        var below = _page.Split(section.Blocks, 3, section.Line);
        return below.Count > 0 ? below : throw _page.Error(section.Line, $"the section '{title}' is empty");
    }

    private List<PipedType> ReadTypes(string title) =>
        [.. Subsections(title).Select(section => new PipedType(section.Title, TextReader.Blocks(_page, section.Blocks)))];

    private List<Example> ReadExamples()
    {
        var examples = new List<Example>();
        foreach (var section in Subsections("EXAMPLES"))
        {
            var title = ExampleTitle().Match(section.Title);
            var number = examples.Count + 1;
            if (!title.Success || title.Groups["number"].Value != number.ToString(CultureInfo.InvariantCulture))
            {
                throw _page.Error(section.Line, $"the heading has to begin with 'Example {number}: '");
            }
            if (section.Title.Length > MamlText.Width)
            {
                throw _page.Error(section.Line, $"the heading has {section.Title.Length} letters, and Get-Help columns for {MamlText.Width}");
            }
            var at = section.Blocks.ToList().FindIndex(block => block is CodeBlock);
            if (at < 0)
            {
                throw _page.Error(section.Line, "the example has no code");
            }
            // What is typed and what comes out are blocks of their own in the page, and one text in a terminal.
            CodeBlock[] blocks = [.. section.Blocks.Skip(at).TakeWhile(block => block is CodeBlock).Cast<CodeBlock>()];
            var code = string.Join("\n\n", blocks.Select(TextReader.Code));
            if (code.Length == 0 || char.IsWhiteSpace(code[0]))
            {
                throw _page.Error(MarkdownPage.LineOf(section.Blocks[at]), "an example's code cannot begin with a blank: Get-Help drops it");
            }
            examples.Add(new(
                section.Title,
                TextReader.Blocks(_page, section.Blocks.Take(at)),
                code,
                TextReader.Blocks(_page, section.Blocks.Skip(at + blocks.Length))));
        }
        return examples;
    }

    private List<RelatedLink> ReadLinks()
    {
        var links = new List<RelatedLink>();
        foreach (var item in _sections["RELATED LINKS"].Blocks.SelectMany(block => block is ListBlock list ? list : Enumerable.Repeat(block, 1)))
        {
            if (item is not ListItemBlock { Count: 1 } entry || entry[0] is not ParagraphBlock { Inline: { } inlines })
            {
                throw _page.Error(MarkdownPage.LineOf(item), "related links are a list with a link an item");
            }
            links.Add((inlines.FirstChild, inlines.LastChild) switch
            {
                (LinkInline { IsImage: false } link, LinkInline last) when link == last =>
                    new(TextReader.Label(_page, link, MarkdownPage.LineOf(item)), TextReader.IsWeb(link.Url) ? link.Url! : ""),
                (AutolinkInline link, AutolinkInline last) when link == last => new(link.Url, link.Url),
                _ => throw _page.Error(MarkdownPage.LineOf(item), "a related link is '[its words](its target)' and nothing else"),
            });
        }
        return links;
    }

    private List<Parameter> ReadParameters()
    {
        var parameters = new List<Parameter>();
        foreach (var section in Subsections("PARAMETERS").Where(section => section.Title != CommonParameters))
        {
            if (section.Title is not ['-', .. var name] || name.Contains(' '))
            {
                throw _page.Error(section.Line, $"'{section.Title}' is no parameter: its heading is '### -Name'");
            }
            if (section.Blocks is not [.., FencedCodeBlock { Info: "yaml" } yaml])
            {
                throw _page.Error(section.Line, $"what is said of {section.Title} does not end in a block of yaml");
            }
            if (section.Blocks.Count == 1)
            {
                throw _page.Error(section.Line, $"{section.Title} is not described");
            }
            var fields = new ParameterFields(_page, Yaml.Read(_page, TextReader.Code(yaml), MarkdownPage.LineOf(yaml) + 1));
            parameters.Add(new()
            {
                Name = name,
                Line = section.Line,
                Description = TextReader.Blocks(_page, section.Blocks.SkipLast(1)),
                Type = fields.Text("Type") is { Length: > 0 } type ? type : throw _page.Error(section.Line, $"the type of {section.Title} is empty"),
                DefaultValue = fields.Text("DefaultValue"),
                SupportsWildcards = fields.Boolean("SupportsWildcards"),
                Aliases = fields.Texts("Aliases"),
                AcceptedValues = fields.Texts("AcceptedValues"),
                IsHidden = fields.Boolean("DontShow"),
                Sets = fields.Sets(),
            });
        }
        return parameters;
    }
}
