using System.Xml;

namespace PSCrac.HelpBuilder;

/// <summary>
/// Running text as MAML. Get-Help trims each paragraph and puts an empty line below all but the last. It shows lists in some places
/// only, and breaks lines between words in some languages only, the invariant one not among them; so both are done here.
/// </summary>
internal static class MamlText
{
    /// <summary>The columns that there are for text that Get-Help indents once, on a screen of 80.</summary>
    public const int Width = 75;

    /// <summary>The columns that there are for text that Get-Help indents twice.</summary>
    public const int NarrowWidth = Width - 4;

    private const string Namespace = "http://schemas.microsoft.com/maml/2004/10";

    /// <summary>Writes one element for each paragraph.</summary>
    public static void Write(XmlWriter xml, IReadOnlyList<TextBlock> blocks, int width)
    {
        foreach (var text in Paragraphs(blocks, width))
        {
            WriteParagraph(xml, text);
        }
    }

    public static void WriteParagraph(XmlWriter xml, string text) => xml.WriteElementString("maml", "para", Namespace, text);

    /// <summary>
    /// Text as paragraphs. Code is at the end of the paragraph before it: at the beginning of one of its own it would lose its indent.
    /// </summary>
    public static IReadOnlyList<string> Paragraphs(IReadOnlyList<TextBlock> blocks, int width)
    {
        var paragraphs = new List<string>();
        foreach (var block in blocks)
        {
            var text = string.Join('\n', TextLayout.Lines(block, width));
            if (block is CodeText && paragraphs.Count > 0)
            {
                paragraphs[^1] += $"\n\n{text}";
            }
            else
            {
                paragraphs.Add(block is CodeText code ? code.Text : text);
            }
        }
        return paragraphs;
    }
}
