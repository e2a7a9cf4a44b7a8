using PSCrac.Starting.Services;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Services;

/// <summary>The text of a unit: what systemd reads from it is what was meant, whatever characters that has.</summary>
public sealed class ServiceUnitTests : IDisposable
{
    private static readonly Dictionary<string, string> s_none = [];
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("/opt/crac-start", "/opt/crac-start")]
    [InlineData("", "\"\"")]
    [InlineData("a b", "\"a b\"")]
    [InlineData("100%", "100%%")]
    [InlineData("$HOME", "$$HOME")]
    [InlineData("say \"hi\"", "\"say \\\"hi\\\"\"")]
    [InlineData("it's", "\"it's\"")]
    [InlineData("a\\b", "\"a\\\\b\"")]
    [InlineData("a\nb\u0001", "\"a\\nb\\x01\"")]
    [InlineData("a;b", "\"a;b\"")]
    [InlineData("ü", "\"ü\"")]
    public void A_word_of_a_command_is_escaped(string word, string escaped) => Assert.Equal(escaped, ServiceUnit.Quote(word));

    [Fact]
    public void The_path_of_a_program_keeps_its_dollar_signs_and_one_that_systemd_refuses_is_started_by_env()
    {
        Assert.Equal("\"/a b$c%%d/crac-start\" web", ServiceUnit.CommandLine(["/a b$c%d/crac-start", "web"]));
        Assert.Equal("/usr/bin/env \"/a\\\"b$$c/crac-start\" web", ServiceUnit.CommandLine(["/a\"b$c/crac-start", "web"]));
        Assert.Equal("/usr/bin/dotnet \"/a b$$c/crac-start.dll\" web", ServiceUnit.CommandLine(["/usr/bin/dotnet", "/a b$c/crac-start.dll", "web"]));
    }

    [Fact]
    public void A_unit_starts_crac_start_and_waits_for_its_word()
    {
        string[] lines = ServiceUnit.Create(Describe("web") with { ReadyTimeout = TimeSpan.FromSeconds(90) }, ["/opt/crac-start"], s_none, "multi-user.target").Split('\n');

        Assert.Contains("ExecStart=/opt/crac-start web", lines);
        Assert.Contains("Type=notify", lines);
        Assert.Contains("TimeoutStartSec=300", lines);
        Assert.Contains("WantedBy=multi-user.target", lines);
        Assert.DoesNotContain(lines, static line => line.StartsWith("SystemCallFilter", StringComparison.Ordinal) || line.StartsWith("PrivateTmp", StringComparison.Ordinal));
        Assert.True(ServiceUnit.IsOf(string.Join('\n', lines), "web"));
        Assert.False(ServiceUnit.IsOf(string.Join('\n', lines), "we"));
        Assert.False(ServiceUnit.IsOf("[Unit]\nDescription=web\n", "web"));
    }

    [Fact]
    public void Settings_of_the_caller_are_added_or_replace_those_of_PSCrac()
    {
        var options = new Dictionary<string, string> { ["Restart"] = "no", ["MemoryMax"] = "1G" };

        string[] lines = ServiceUnit.Create(Describe("web"), ["/opt/crac-start"], options, "default.target").Split('\n');

        Assert.Equal(["Restart=no"], lines.Where(static line => line.StartsWith("Restart=", StringComparison.Ordinal)));
        Assert.Contains("MemoryMax=1G", lines);
    }

    [ProgramFact("systemd-analyze")]
    public void Systemd_has_nothing_against_a_unit_whatever_the_path_of_crac_start_is()
    {
        foreach (string name in (string[])["plain", "a b$c%d;e", "with \"quotes\" and 'more' \\ of it"])
        {
            string program = Path.Combine(Directory.CreateDirectory(_folder.At(name)).FullName, "crac-start");
            File.Copy("/bin/true", program);
            var units = new UnitFolder(_folder.FullPath);
            units.Write("web", ServiceUnit.Create(Describe("web"), [program], new Dictionary<string, string> { ["MemoryMax"] = "50%" }, "multi-user.target"));

            Assert.Null(units.Verify("web"));
        }
    }

    [ProgramFact("systemd-analyze")]
    public void What_systemd_says_against_a_unit_is_told()
    {
        var units = new UnitFolder(_folder.FullPath);
        units.Write("web", ServiceUnit.Create(Describe("web"), ["/bin/true"], new Dictionary<string, string> { ["KillMod"] = "mixed" }, "multi-user.target"));
        Assert.Contains("KillMod", units.Verify("web"));

        units.Write("web", ServiceUnit.Create(Describe("web"), [_folder.At("none")], s_none, "multi-user.target"));
        Assert.Contains(_folder.At("none"), units.Verify("web"));
    }

    private static ServiceDescription Describe(string name) => new() { Name = name, FilePath = "/bin/sleep", Arguments = ["1000"], WorkingDirectory = "/" };
}
