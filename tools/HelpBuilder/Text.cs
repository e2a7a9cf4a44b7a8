namespace PSCrac.HelpBuilder;

/// <summary>A piece of running text, without Markdown in it.</summary>
internal abstract record TextBlock;

/// <summary>Words to be wrapped; a line break in them is one that the author wants.</summary>
internal sealed record Paragraph(string Text) : TextBlock;

/// <summary>Lines to be shown as they are.</summary>
internal sealed record CodeText(string Text) : TextBlock;

/// <summary>A list; each item is a text of its own.</summary>
/// <param name="FirstNumber">The number of the first item; null where the list has bullets.</param>
internal sealed record ListText(int? FirstNumber, IReadOnlyList<IReadOnlyList<TextBlock>> Items) : TextBlock;

/// <summary>A table; the first row has the headers, and all rows have as many cells.</summary>
internal sealed record TableText(IReadOnlyList<IReadOnlyList<string>> Rows) : TextBlock;
