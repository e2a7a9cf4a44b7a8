using System.Text;

namespace PSCrac.HelpBuilder;

/// <summary>Renders an about_ topic as the plain text that Get-Help shows: no line is longer than 79 columns where words allow it.</summary>
internal static class AboutTopic
{
    private const int Width = 79;
    private const string Indent = "    ";

    private static readonly string[] Required = ["Short description", "Long description"];

    /// <exception cref="PageException">The page has no short or no long description, or something that a topic has no form for.</exception>
    public static string Render(MarkdownPage page)
    {
        for (var i = 0; i < Required.Length; i++)
        {
            if (page.Sections.Count <= i || page.Sections[i].Title != Required[i])
            {
                throw page.Error(page.Sections.Count > i ? page.Sections[i].Line : 1, $"the section '## {Required[i]}' has to be here");
            }
        }
        var text = new StringBuilder();
        text.Append("TOPIC\n").Append(Indent).Append(page.Name).Append('\n');
        foreach (var section in page.Sections)
        {
            if (section.Blocks.Count == 0)
            {
                throw page.Error(section.Line, $"the section '{section.Title}' is empty");
            }
            text.Append('\n').Append(section.Title.ToUpperInvariant()).Append('\n');
            foreach (var line in TextLayout.Lines(TextReader.Blocks(page, section.Blocks), Width - Indent.Length))
            {
                text.Append(line.Length > 0 ? Indent : "").Append(line).Append('\n');
            }
        }
        return text.ToString();
    }
}
