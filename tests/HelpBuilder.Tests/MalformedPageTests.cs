using Xunit;

namespace PSCrac.HelpBuilder.Tests;

/// <summary>A page that is not as it has to be is an error that names its line, and no help is written.</summary>
public sealed class MalformedPageTests : IDisposable
{
    private readonly PageFolder _folder = new();

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("# Get-Sample\n", "# Get-Other\n", "# Get-Other", "Get-Sample")]
    [InlineData("# Get-Sample\n", "Get-Sample\n", "Get-Sample\n\n## S", "# Get-Sample")]
    [InlineData("external help file: Sample.dll-Help.xml\n", "", "---", "external help file")]
    [InlineData("external help file: Sample", "external help file: ../Sample", "---", "external help file")]
    [InlineData("## NOTES", "## REMARKS", "## REMARKS", "REMARKS")]
    [InlineData("## NOTES\n\nWorth a note.\n", "", "---", "## NOTES")]
    [InlineData("Worth a note.\n", "", "## NOTES", "empty")]
    [InlineData("## OUTPUTS\n\n### Library.Sample\n", "## OUTPUTS\n", "## OUTPUTS", "empty")]
    [InlineData("## OUTPUTS", "## INPUTS\n\n## OUTPUTS", "## INPUTS\n\n## OUTPUTS", "twice")]
    [InlineData("Worth a note.", "### Deeper", "### Deeper", "Deeper")]
    [InlineData("Worth a note.", "a <string> here", "a <string>", "<string>")]
    [InlineData("Worth a note.", "![image](a.png)", "![image]", "image")]
    [InlineData("Gets samples.\n", "Gets samples.\n\nAll.\n", "## SYNOPSIS", "one paragraph")]
    [InlineData("### Example 1: all", "### Example 2: all", "### Example 2", "Example 1: ")]
    [InlineData("all of them", "all of them that can be had on one machine, or on many, as they come and as they go", "### Example 1", "columns")]
    [InlineData("### Example 1: all of them\n", "### All of them\n", "### All", "Example 1: ")]
    [InlineData("```powershell\nGet-Sample |", "```powershell\n  Get-Sample |", "```powershell", "blank")]
    [InlineData("### -Depth\n\nHow deep.\n", "### -Depth\n", "### -Depth", "not described")]
    [InlineData("### -Depth", "### Depth", "### Depth", "### -Name")]
    [InlineData("How deep.\n\n```yaml", "How deep.\n\n```", "### -Depth", "yaml")]
    [InlineData("### -Quiet", "### -Silent", "Get-Sample [[-Path]", "-Quiet")]
    [InlineData(" [-Quiet] [<", " [<", "### Path (Default)", "-Quiet")]
    [InlineData("### InputObject\n\n```", "### Other\n\n```", "Get-Sample -InputObject", "-InputObject")]
    [InlineData("[-Depth <int>] [-Quiet]\n", "[-Depth <long>] [-Quiet]\n", "Get-Sample -InputObject", "of type int")]
    [InlineData("[-Depth <int>] [-Quiet]\n", "\n -Depth <int> [-Quiet]\n", " -Depth <int>", "not required")]
    [InlineData("[-Depth <int>] [-Quiet]\n", "[[-Depth] <int>] [-Quiet]\n", "Get-Sample -InputObject", "no position")]
    [InlineData("[-Depth <int>] [-Quiet]\n", "[-Depth <int>] -Quiet]\n", "Get-Sample -InputObject", "-Quiet]")]
    [InlineData("Get-Sample -InputObject", "Get-Other -InputObject", "Get-Other", "Get-Sample")]
    [InlineData("Type: System.Int32\n", "", "Type: System.Int32", "Type")]
    [InlineData("DefaultValue: 3", "DefaultValue: 3\nVersion: 1", "Version: 1", "Version")]
    [InlineData("DefaultValue: 3", "DefaultValue: a: b", "DefaultValue: a: b", "quotes")]
    [InlineData("DefaultValue: 3", "DefaultValue: |", "DefaultValue: |", "not understood")]
    [InlineData("DefaultValue: 3", "DefaultValue 3", "DefaultValue 3", "name: value")]
    [InlineData("Position: 0", "Position: first", "Position: first", "number")]
    [InlineData("SupportsWildcards: true", "SupportsWildcards: yes", "SupportsWildcards: yes", "true or false")]
    [InlineData("Aliases:\n- PSPath\n- p\n", "Aliases: p\n", "Aliases: p", "list")]
    [InlineData("- Name: Path\n", "- Name: Elsewhere\n", "Get-Sample [[-Path]", "-Path")]
    [InlineData("- [Set-Sample](Set-Sample.md)", "- Set-Sample", "- Set-Sample", "link")]
    [InlineData("- [Set-Sample](Set-Sample.md)\n", "Set-Sample\n\n", "Set-Sample\n\n- [", "list")]
    public void Is_refused_with_its_line(string old, string replacement, string place, string words)
    {
        var page = PageFolder.Page.Replace(old, replacement);
        Assert.NotEqual(PageFolder.Page, page);
        // What is missing is reported where it would stand.
        var at = page.IndexOf(place, StringComparison.Ordinal) is var found and >= 0 ? found : PageFolder.Page.IndexOf(place, StringComparison.Ordinal);

        var problem = Assert.Single(_folder.Build("Get-Sample", page));
        Assert.Contains($"Get-Sample.md:{page.AsSpan(0, at).Count('\n') + 1}: ", problem);
        Assert.Contains(words, problem);
        Assert.False(Directory.Exists(_folder.Target));
    }

    [Fact]
    public void Does_not_hide_another_one()
    {
        _folder.Add("about_Sample", "none");
        Assert.Equal(2, _folder.Build("Get-Sample", "none").Count);
    }

    [Fact]
    public void Is_refused_where_two_name_different_files()
    {
        _folder.Add("Set-Sample", PageFolder.Page.Replace("Get-Sample", "Set-Sample").Replace("Sample.dll", "Other.dll"));
        Assert.Contains("Other.dll", Assert.Single(_folder.Build("Get-Sample", PageFolder.Page)));
    }

    [Fact]
    public void A_folder_without_pages_is_refused() => Assert.Contains("no pages", Assert.Single(Program.Build("/nowhere", _folder.Target)));
}
