using System.Text;
using Markdig.Extensions.Tables;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace PSCrac.HelpBuilder;

/// <summary>Reads running text: what Get-Help shows is text without any mark-up.</summary>
internal static class TextReader
{
    /// <exception cref="PageException">There is something that help has no form for, such as a heading or an image.</exception>
    public static IReadOnlyList<TextBlock> Blocks(MarkdownPage page, IEnumerable<Block> blocks) => [.. blocks.Select(block => Block(page, block))];

    /// <summary>The words of a paragraph or a heading. Line breaks of the page are blanks.</summary>
    public static string Inlines(MarkdownPage page, LeafBlock block)
    {
        var text = new StringBuilder();
        if (block.Inline is { } inlines)
        {
            Append(page, MarkdownPage.LineOf(block), text, inlines);
        }
        return text.ToString().Trim();
    }

    /// <summary>The words of a link.</summary>
    public static string Label(MarkdownPage page, LinkInline link, int line)
    {
        var text = new StringBuilder();
        Append(page, line, text, link);
        return text.ToString();
    }

    /// <summary>What a block of code holds, as it stands in the page.</summary>
    public static string Code(CodeBlock block) => block.Lines.ToString().Trim('\n');

    private static TextBlock Block(MarkdownPage page, Block block) => block switch
    {
        ParagraphBlock paragraph => new Paragraph(Inlines(page, paragraph)),
        CodeBlock code => new CodeText(Code(code)),
        ListBlock list => new ListText(
            list.IsOrdered ? int.Parse(list.OrderedStart ?? "1", System.Globalization.CultureInfo.InvariantCulture) : null,
            [.. list.Cast<ListItemBlock>().Select(item => Blocks(page, item))]),
        Table table => new TableText([.. table.Cast<TableRow>().Select(row => Row(page, table, row))]),
        HeadingBlock heading => throw page.Error(MarkdownPage.LineOf(block), $"the heading '{Inlines(page, heading)}' cannot stand here"),
        HtmlBlock => throw page.Error(MarkdownPage.LineOf(block), "HTML cannot be shown as help; in backquotes it is text"),
        LinkReferenceDefinitionGroup => throw page.Error(MarkdownPage.LineOf(block), "write the link's target where the link is"),
        _ => throw page.Error(MarkdownPage.LineOf(block), $"help has no form for a {block.GetType().Name}"),
    };

    private static List<string> Row(MarkdownPage page, Table table, TableRow row)
    {
        var cells = row.Cast<TableCell>()
            .Select(cell => string.Join(' ', cell.OfType<LeafBlock>().Select(block => Inlines(page, block))))
            .ToList();
        var columns = ((TableRow)table[0]).Count;
        return cells.Count == columns ? cells
            : throw page.Error(MarkdownPage.LineOf(row), $"the row has {cells.Count} cells, the table's head {columns}");
    }

    private static void Append(MarkdownPage page, int line, StringBuilder text, ContainerInline inlines)
    {
        foreach (var inline in inlines)
        {
            switch (inline)
            {
                case LiteralInline literal:
                    text.Append(literal.Content.AsSpan());
                    break;
                case CodeInline code:
                    text.Append(code.Content);
                    break;
                case HtmlEntityInline entity:
                    text.Append(entity.Transcoded.AsSpan());
                    break;
                case LineBreakInline lineBreak:
                    text.Append(lineBreak.IsHard ? '\n' : ' ');
                    break;
                case AutolinkInline link:
                    text.Append(link.Url);
                    break;
                case LinkInline { IsImage: false } link:
                    var from = text.Length;
                    Append(page, line, text, link);
                    if (IsWeb(link.Url) && text.ToString(from, text.Length - from) != link.Url)
                    {
                        text.Append(" (").Append(link.Url).Append(')');
                    }
                    break;
                case LinkInline:
                    throw page.Error(line, "an image cannot be shown as help");
                case HtmlInline html:
                    throw page.Error(line, $"'{html.Tag}' is HTML, which cannot be shown as help; in backquotes it is text");
                case ContainerInline container:
                    Append(page, line, text, container);
                    break;
                default:
                    throw page.Error(line, $"help has no form for a {inline.GetType().Name}");
            }
        }
    }

    /// <summary>Whether a link leads to somewhere that a reader of help can go to, and not to a file of the repository.</summary>
    public static bool IsWeb(string? url) =>
        url is not null && (url.StartsWith("https://", StringComparison.Ordinal) || url.StartsWith("http://", StringComparison.Ordinal));
}
