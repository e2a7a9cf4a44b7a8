using Xunit;

namespace PSCrac.HelpBuilder.Tests;

/// <summary>The text that is made of an about_ topic's page.</summary>
public sealed class TopicTests : IDisposable
{
    private readonly PageFolder _folder = new();

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Looks_as_PowerShell_s_own_topics_do()
    {
        var text = _folder.TopicText("Samples\nare `few`:\n\n```\nif (1) {\n    2\n}\n\n3\n```\n\n- [one](one.md)\n- two\n\n## See also\n\n- https://example.org");
        Assert.Equal(
            """
            TOPIC
                about_Sample

            SHORT DESCRIPTION
                What samples are.

            LONG DESCRIPTION
                Samples are few:

                    if (1) {
                        2
                    }

                    3

                - one
                - two

            SEE ALSO
                - https://example.org

            """,
            text);
    }

    [Fact]
    public void Wraps_at_79_columns_and_hangs_items()
    {
        var words = string.Join(' ', Enumerable.Range(1000, 60));
        var lines = _folder.TopicText($"{words}\n\n- {words}").TrimEnd().Split('\n');
        Assert.InRange(lines.Max(line => line.Length), 75, 79);
        var item = Array.FindIndex(lines, line => line.StartsWith("    - 1000", StringComparison.Ordinal));
        Assert.All(lines[(item + 1)..], line => Assert.StartsWith("      1", line));
    }

    [Theory]
    [InlineData("## Short description", "## Shrt description", 3, "Short description")]
    [InlineData("## Long description", "## Details", 7, "Long description")]
    [InlineData("Samples are few.", "", 7, "empty")]
    [InlineData("Samples are few.", "<p>few</p>", 9, "HTML")]
    [InlineData("# about_Sample", "# about_Other", 1, "about_Sample")]
    public void Refuses_a_page_that_is_no_topic(string old, string replacement, int line, string words)
    {
        var problem = Assert.Single(_folder.Build("about_Sample", PageFolder.Topic.Replace(old, replacement)));
        Assert.Contains($"about_Sample.md:{line}: ", problem);
        Assert.Contains(words, problem);
    }
}
