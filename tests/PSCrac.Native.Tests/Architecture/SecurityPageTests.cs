using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace PSCrac.Tests.Architecture;

/// <summary>docs/security.md names the tests that hold its promises: each of them exists, and each section names one.</summary>
public partial class SecurityPageTests
{
    [Fact]
    public void Every_test_that_the_page_names_exists()
    {
        string[] sections = File.ReadAllText(Path.Combine(EngineSources.All.Root, "docs/security.md")).Split("\n## ")[1..];
        var missing = new List<string>();
        foreach (string section in sections)
        {
            int held = section.IndexOf("Held by ", StringComparison.Ordinal);
            Assert.True(held > 0, $"no test is named in: {section.Split('\n')[0]}");
            MatchCollection names = Name().Matches(section[held..]);
            Assert.NotEmpty(names);
            missing.AddRange(names.Select(static match => match.Groups[1].Value).Where(static name => !Exists(name)));
        }

        Assert.True(missing.Count == 0, "not there: " + string.Join(", ", missing));
        Assert.False(Exists("NoSuchTests") || Exists("FileTrustTests.No_such_test") || Exists("None.Tests.ps1"));
    }

    [Theory]
    [InlineData("README.md", "docs/security.md")]
    [InlineData("SECURITY.md", "docs/security.md")]
    [InlineData("docs/security.md", "../SECURITY.md")]
    public void The_page_is_linked(string from, string to) =>
        Assert.Contains($"]({to})", File.ReadAllText(Path.Combine(EngineSources.All.Root, from)), StringComparison.Ordinal);

    private static bool Exists(string name)
    {
        if (name.EndsWith(".ps1", StringComparison.Ordinal))
        {
            return File.Exists(Path.Combine(EngineSources.All.Root, "tests/Pester", name));
        }

        string[] parts = name.Split('.');
        Type? type = Array.Find(typeof(SecurityPageTests).Assembly.GetTypes(), each => each.Name == parts[0]);
        return parts.Length == 1
            ? type?.GetMethods().Any(IsTest) == true
            : type?.GetMethod(parts[1]) is { } method && IsTest(method);
    }

    private static bool IsTest(MethodInfo method) => method.GetCustomAttributes<FactAttribute>().Any();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Name();
}
