using Markdig;
using Markdig.Extensions.Yaml;
using Markdig.Syntax;

namespace PSCrac.HelpBuilder;

/// <summary>A heading and what stands below it, down to the next heading of the same or a higher rank.</summary>
/// <param name="Title">The heading's words.</param>
/// <param name="Line">The line of the heading, counted from 1.</param>
/// <param name="Blocks">What stands below it, subheadings included.</param>
internal sealed record Section(string Title, int Line, IReadOnlyList<Block> Blocks);

/// <summary>A page of Markdown, taken apart into its front matter, its title and its sections.</summary>
internal sealed class MarkdownPage
{
    private static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder().UseYamlFrontMatter().UsePipeTables().Build();

    private readonly string _path;

    private MarkdownPage(string path, string text)
    {
        _path = path;
        Name = Path.GetFileNameWithoutExtension(path);
        var document = Markdown.Parse(text, Pipeline);
        List<Block> blocks = [.. document];
        if (blocks is [YamlFrontMatterBlock matter, ..])
        {
            FrontMatter = Yaml.Read(this, matter.Lines.ToString(), matter.Line + 2);
            blocks.RemoveAt(0);
        }
        if (blocks is not [HeadingBlock { Level: 1 } title, ..])
        {
            throw Error(blocks.Count > 0 ? LineOf(blocks[0]) : 1, $"the page has to begin with the heading '# {Name}'");
        }
        if (TextReader.Inlines(this, title) is var words && words != Name)
        {
            throw Error(LineOf(title), $"the page's heading is '{words}', its file's name {Name}");
        }
        Sections = Split(blocks.Skip(1), 2, LineOf(title));
    }

    /// <summary>The file's name without its extension, which is the name of the cmdlet or topic.</summary>
    public string Name { get; }

    /// <summary>The fields at the head of the page; null where it has none.</summary>
    public YamlNode? FrontMatter { get; }

    /// <summary>What stands below the headings of the second rank, in the page's order.</summary>
    public IReadOnlyList<Section> Sections { get; }

    /// <exception cref="PageException">The page has no title, or another than its file's name.</exception>
    public static MarkdownPage Read(string path) => new(path, File.ReadAllText(path));

    /// <summary>The line that a block begins on, counted from 1.</summary>
    public static int LineOf(MarkdownObject block) => block.Line + 1;

    /// <summary>An exception that names this page and a line of it.</summary>
    public PageException Error(int line, string message) => new(_path, line, message);

    /// <summary>Takes the blocks below a heading apart at the headings of one rank.</summary>
    /// <exception cref="PageException">There is text before the first of them, a heading of a higher rank, or the same one twice.</exception>
    public IReadOnlyList<Section> Split(IEnumerable<Block> blocks, int level, int line)
    {
        var sections = new List<Section>();
        List<Block>? current = null;
        foreach (var block in blocks)
        {
            if (block is HeadingBlock heading && heading.Level <= level)
            {
                if (heading.Level < level)
                {
                    throw Error(LineOf(block), $"a heading of rank {heading.Level} cannot stand here");
                }
                var title = TextReader.Inlines(this, heading);
                if (sections.Any(section => section.Title == title))
                {
                    throw Error(LineOf(block), $"the heading '{title}' is there twice");
                }
                current = [];
                sections.Add(new(title, LineOf(block), current));
            }
            else if (current is null)
            {
                throw Error(LineOf(block), $"there is text before the first heading of rank {level}");
            }
            else
            {
                current.Add(block);
            }
        }
        return sections;
    }
}
