using System.Xml.Linq;
using Xunit;

namespace PSCrac.HelpBuilder.Tests;

/// <summary>A folder with pages, and one for the help that is made of them.</summary>
public sealed class PageFolder : IDisposable
{
    /// <summary>The page of a cmdlet that has everything once.</summary>
    public const string Page = """
        ---
        external help file: Sample.dll-Help.xml
        HelpUri: ''
        title: Get-Sample
        ---

        # Get-Sample

        ## SYNOPSIS

        Gets samples.

        ## SYNTAX

        ### Path (Default)

        ```
        Get-Sample [[-Path] <string[]>] [-Depth <int>] [-Quiet] [<CommonParameters>]
        ```

        ### InputObject

        ```
        Get-Sample -InputObject <Sample> [-Depth <int>] [-Quiet]
        ```

        ## DESCRIPTION

        Gets `samples` from
        [here](Sample.md) and [there](https://example.org/there).

        ## EXAMPLES

        ### Example 1: all of them

        Before the code.

        ```powershell
        Get-Sample |
            Select-Object Name

        Name
        ----
        one
        ```

        After the code.

        ## PARAMETERS

        ### -Depth

        How deep.

        ```yaml
        Type: System.Int32
        DefaultValue: 3
        SupportsWildcards: false
        Aliases: []
        ParameterSets:
        - Name: (All)
          Position: Named
          IsRequired: false
          ValueFromPipeline: false
          ValueFromPipelineByPropertyName: false
          ValueFromRemainingArguments: false
        DontShow: false
        AcceptedValues: []
        HelpMessage: ''
        ```

        ### -InputObject

        What it is asked of.

        ```yaml
        Type: Library.Sample
        DefaultValue: ''
        SupportsWildcards: false
        Aliases: []
        ParameterSets:
        - Name: InputObject
          Position: Named
          IsRequired: true
          ValueFromPipeline: true
          ValueFromPipelineByPropertyName: false
          ValueFromRemainingArguments: false
        DontShow: false
        AcceptedValues: []
        HelpMessage: ''
        ```

        ### -Path

        Where they are.

        ```yaml
        Type: System.String[]
        DefaultValue: ''
        SupportsWildcards: true
        Aliases:
        - PSPath
        - p
        ParameterSets:
        - Name: Path
          Position: 0
          IsRequired: false
          ValueFromPipeline: true
          ValueFromPipelineByPropertyName: true
          ValueFromRemainingArguments: false
        DontShow: false
        AcceptedValues: []
        HelpMessage: ''
        ```

        ### -Quiet

        Says less.

        ```yaml
        Type: System.Management.Automation.SwitchParameter
        DefaultValue: False
        SupportsWildcards: false
        Aliases: []
        ParameterSets:
        - Name: (All)
          Position: Named
          IsRequired: false
          ValueFromPipeline: false
          ValueFromPipelineByPropertyName: false
          ValueFromRemainingArguments: false
        DontShow: false
        AcceptedValues: []
        HelpMessage: ''
        ```

        ### CommonParameters

        This cmdlet supports the common parameters.

        ## INPUTS

        ### System.String[]

        Paths.

        ## OUTPUTS

        ### Library.Sample

        ## NOTES

        Worth a note.

        ## RELATED LINKS

        - [Set-Sample](Set-Sample.md)
        - [Samples](https://example.org)

        """;

    /// <summary>An about_ topic.</summary>
    public const string Topic = """
        # about_Sample

        ## Short description

        What samples are.

        ## Long description

        Samples are few.

        """;

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("helpbuilder-");

    /// <summary>Where the help goes. It is not there before.</summary>
    public string Target => Path.Combine(_root.FullName, "help");

    /// <summary>Writes a page and makes the help of all that there are.</summary>
    /// <returns>What is wrong with them.</returns>
    public IReadOnlyList<string> Build(string name, string text)
    {
        Add(name, text);
        return Program.Build(Path.Combine(_root.FullName, "pages"), Target);
    }

    public void Add(string name, string text)
    {
        var pages = _root.CreateSubdirectory("pages").FullName;
        File.WriteAllText(Path.Combine(pages, $"{name}.md"), text);
    }

    /// <summary>The sample page with some text replaced, as the MAML of its cmdlet.</summary>
    public XElement Command(string old = "", string replacement = "")
    {
        var page = old.Length > 0 ? Page.Replace(old, replacement) : Page;
        Assert.Empty(Build("Get-Sample", page));
        return XDocument.Load(Path.Combine(Target, "Sample.dll-Help.xml")).Root!.Elements().Single();
    }

    /// <summary>The text of a topic whose long description is this.</summary>
    public string TopicText(string description)
    {
        Assert.Empty(Build("about_Sample", Topic.Replace("Samples are few.", description)));
        return File.ReadAllText(Path.Combine(Target, "about_Sample.help.txt"));
    }

    /// <inheritdoc/>
    public void Dispose() => _root.Delete(recursive: true);
}

internal static class MamlExtensions
{
    /// <summary>The elements of a name below another, whatever their namespace.</summary>
    public static IEnumerable<XElement> All(this XElement element, params string[] names) =>
        names.Aggregate(Enumerable.Repeat(element, 1), (found, name) => found.Elements().Where(child => child.Name.LocalName == name));

    /// <summary>The paragraphs of an element.</summary>
    public static string[] Paragraphs(this XElement element, params string[] names) => [.. element.All([.. names, "para"]).Select(para => para.Value)];
}
