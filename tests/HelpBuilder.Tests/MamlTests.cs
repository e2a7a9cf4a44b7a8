using System.Xml.Linq;
using Xunit;

namespace PSCrac.HelpBuilder.Tests;

/// <summary>The MAML that is made of a cmdlet's page.</summary>
public sealed class MamlTests : IDisposable
{
    private readonly PageFolder _folder = new();

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Has_what_the_page_says()
    {
        var command = _folder.Command();
        Assert.Equal(["Get-Sample", "Get", "Sample"], command.All("details").Elements().Take(3).Select(element => element.Value));
        Assert.Equal(["Gets samples."], command.Paragraphs("details", "description"));
        Assert.Equal(["Gets samples from here and there (https://example.org/there)."], command.Paragraphs("description"));
        Assert.Equal(["Worth a note."], command.Paragraphs("alertSet", "alert"));
        Assert.Equal(["System.String[]"], command.All("inputTypes", "inputType", "type", "name").Select(name => name.Value));
        Assert.Equal(["Paths."], command.Paragraphs("inputTypes", "inputType", "description"));
        Assert.Equal(["Library.Sample"], command.All("returnValues", "returnValue", "type", "name").Select(name => name.Value));
        Assert.Equal(
            ["Set-Sample", "Sampleshttps://example.org"],
            command.All("relatedLinks", "navigationLink").Select(link => link.Value));
    }

    [Fact]
    public void Has_a_syntax_for_each_parameter_set_in_the_page_s_order()
    {
        var items = _folder.Command().All("syntax", "syntaxItem").ToList();
        Assert.Equal(["Path:0:false:string[]", "Depth:Named:false:int", "Quiet:Named:false:"], items[0].All("parameter").Select(Describe));
        Assert.Equal(["InputObject:Named:true:Sample", "Depth:Named:false:int", "Quiet:Named:false:"], items[1].All("parameter").Select(Describe));

        static string Describe(XElement parameter) => string.Join(
            ':',
            parameter.All("name").Single().Value,
            parameter.Attribute("position")!.Value,
            parameter.Attribute("required")!.Value,
            parameter.All("parameterValue").SingleOrDefault()?.Value);
    }

    [Theory]
    [InlineData("Depth", "False", "Named", "false", "none", "3")]
    [InlineData("InputObject", "True (ByValue)", "Named", "false", "none", "None")]
    [InlineData("Path", "True (ByValue, ByPropertyName)", "0", "true", "PSPath, p", "None")]
    [InlineData("Quiet", "False", "Named", "false", "none", "False")]
    public void Has_each_parameter(string name, string pipeline, string position, string globbing, string aliases, string value)
    {
        var parameter = _folder.Command().All("parameters", "parameter").Single(item => item.All("name").Single().Value == name);
        Assert.Equal(pipeline, parameter.Attribute("pipelineInput")!.Value);
        Assert.Equal(position, parameter.Attribute("position")!.Value);
        Assert.Equal(globbing, parameter.Attribute("globbing")!.Value);
        Assert.Equal(aliases, parameter.Attribute("aliases")!.Value);
        Assert.Equal(value, parameter.All("defaultValue").Single().Value);
        Assert.Single(parameter.Paragraphs("description"));
    }

    [Fact]
    public void Says_both_positions_of_a_parameter_that_has_two()
    {
        const string Set = "  Position: 0\n  IsRequired: false\n  ValueFromPipeline: true\n  ValueFromPipelineByPropertyName: true\n  ValueFromRemainingArguments: false\n";
        var page = PageFolder.Page
            .Replace(Set, Set + "- Name: InputObject\n" + Set.Replace("Position: 0", "Position: 1"))
            .Replace("-InputObject <Sample>", "-InputObject <Sample> [[-Path] <string[]>]");
        var parameter = _folder.Command(PageFolder.Page, page).All("parameters", "parameter").Single(item => item.All("name").Single().Value == "Path");
        Assert.Equal("0 or 1", parameter.Attribute("position")!.Value);
    }

    [Fact]
    public void Has_an_example_s_code_as_it_stands()
    {
        var example = _folder.Command().All("examples", "example").Single();
        Assert.Equal("--------- Example 1: all of them ---------", example.All("title").Single().Value);
        Assert.Equal("Get-Sample |\n    Select-Object Name\n\nName\n----\none", example.All("code").Single().Value);
        Assert.Equal(["Before the code.\n\n"], example.Paragraphs("introduction"));
        Assert.Equal(["After the code.", ""], example.Paragraphs("remarks"));
    }

    [Fact]
    public void Puts_code_below_the_words_before_it()
    {
        var text = _folder.Command("After the code.", "And then:\n\n```\nif (1) {\n    2\n}\n```\n\nDone.").All("examples", "example").Single().Paragraphs("remarks");
        Assert.Equal(["And then:\n\n    if (1) {\n        2\n    }", "Done.", ""], text);
    }

    [Theory]
    [InlineData("a **bold** and _slanted_ `$x[0](1)` word", "a bold and slanted $x[0](1) word")]
    [InlineData("`a_b_c` and a_b_c, *.img and 2 * 3", "a_b_c and a_b_c, *.img and 2 * 3")]
    [InlineData("&lt;name&gt; \\*not slanted\\*", "<name> *not slanted*")]
    [InlineData("<https://example.org> [https://example.org](https://example.org)", "https://example.org https://example.org")]
    [InlineData("one\\\ntwo", "one\ntwo")]
    [InlineData("- one\n- two\n  on two lines\n  1. deeper", "- one\n- two on two lines\n  1. deeper")]
    [InlineData("3. three\n4. four", "3. three\n4. four")]
    [InlineData("- one\n\n  of two paragraphs", "- one\n\n  of two paragraphs")]
    [InlineData("| a | of what |\n| --- | --- |\n| `long` | `x` and [y](y.md) |", "a     of what\n----  -------\nlong  x and y")]
    public void Has_text_without_its_mark_up(string page, string help)
    {
        Assert.Equal([help], _folder.Command("Worth a note.", page).Paragraphs("alertSet", "alert"));
    }

    [Fact]
    public void Breaks_lines_between_words_where_a_screen_of_80_columns_ends()
    {
        var words = string.Join(' ', Enumerable.Range(1000, 60));
        Assert.All(_folder.Command("Says less.", words).Paragraphs("parameters", "parameter", "description").Single(text => text.Contains("1000")).Split('\n'),
            line => Assert.InRange(line.Length, 1, 72));
        var table = _folder.Command("Worth a note.", $"| a | b |\n| - | - |\n| one | {words} |").Paragraphs("alertSet", "alert").Single().Split('\n');
        Assert.StartsWith("one  1000", table[2]);
        Assert.StartsWith("     10", table[3]);
        Assert.All(table, line => Assert.InRange(line.Length, 1, 72));
    }

    [Fact]
    public void Has_the_link_into_the_web_that_the_page_has()
    {
        var link = _folder.Command("HelpUri: ''", "HelpUri: https://example.org/help").All("relatedLinks", "navigationLink").First();
        Assert.Equal("Online Version:https://example.org/help", link.Value);
    }

    [Fact]
    public void Has_the_values_that_a_parameter_accepts()
    {
        var page = PageFolder.Page.Replace("DefaultValue: 3", "DefaultValue: '3'").Replace("AcceptedValues: []", "AcceptedValues:\n- 1\n- 2");
        Assert.Equal(["1", "2"], _folder.Command(PageFolder.Page, page).All("parameters", "parameter").First().All("parameterValueGroup", "parameterValue").Select(value => value.Value));
    }
}
