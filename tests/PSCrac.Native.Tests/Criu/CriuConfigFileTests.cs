using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

public class CriuConfigFileTests
{
    [Theory]
    [InlineData("two\nlines")]
    [InlineData("a#comment")]
    [InlineData("a blank")]
    [InlineData("a\ttab")]
    [InlineData("\"quoted\"")]
    [InlineData("back\\slash")]
    [InlineData("")]
    public void A_value_that_criu_would_misread_is_refused(string value) => AssertRefused("skip-mnt", value);

    [Theory]
    [InlineData("")]
    [InlineData("--skip-mnt")]
    [InlineData("skip mnt")]
    [InlineData("skip-mnt\nleave-running")]
    [InlineData("Skip-Mnt")]
    public void An_invalid_name_is_refused(string name) => AssertRefused(name, true);

    [Theory]
    [InlineData("tree", "-Id", "is given with the parameter -Id,")]
    [InlineData("images-dir", "-ImagePath", "is given with the parameter -ImagePath,")]
    [InlineData("restore-sibling", "-CriuOption", "-Wait, which this operation does not have")]
    [InlineData("log-file", "-CriuOption", "is set by PSCrac itself")]
    [InlineData("work-dir", "-CriuOption", "is set by PSCrac itself")]
    public void An_option_that_PSCrac_sets_is_refused_with_its_parameter(string name, string parameter, string message)
    {
        CracException failure = AssertRefused(name, true);
        Assert.Contains(parameter, failure.RecommendedAction);
        Assert.Contains(message, failure.Message);
    }

    [Fact]
    public void A_list_has_a_line_for_each_item_and_false_has_none() => Assert.Equal(
        "skip-mnt /a\nskip-mnt /b\nweak-sysctls\nghost 5\n",
        CriuConfigFile.Compose(new CheckpointOptions
        {
            CriuOption = new Dictionary<string, object?>
            {
                ["skip-mnt"] = new[] { "/a", "/b" },
                ["weak-sysctls"] = true,
                ["mntns-compat-mode"] = false,
                ["ghost"] = 5,
            },
        }));

    [Fact]
    public void No_options_give_no_file() => Assert.Null(CriuConfigFile.Compose(new CheckpointOptions()));

    [CriuFact("python3")]
    public void The_default_configuration_file_takes_effect_and_is_reported()
    {
        using var run = new CriuRun("f = open('ghost', 'wb'); f.write(b'x' * (3 << 20)); f.flush(); os.unlink('ghost')");
        using var home = new TemporaryFolder();
        Directory.CreateDirectory(home.At(".criu"));
        File.WriteAllText(home.At(".criu/default.conf"), "ghost-limit 4M\n");

        (int code, string output, _) = Helper.Run(
            new Dictionary<string, string?> { ["HOME"] = home.FullPath }, "checkpoint", $"{run.ProcessId}", home.At("image"));

        Assert.True(code == 0, output);
        Assert.Contains($"configuration {home.At(".criu/default.conf")}", output);
        Assert.Contains(home.At(".criu/default.conf"), CracImage.Open(home.At("image")).Manifest!.ConfigurationFiles);
    }

    [CriuFact("python3")]
    public void The_configuration_file_of_the_environment_has_no_effect()
    {
        using var run = new CriuRun("");
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("conf"), "no-such-option\n");

        (int code, string output, _) = Helper.Run(
            new Dictionary<string, string?> { ["CRIU_CONFIG_FILE"] = folder.At("conf") }, "checkpoint", $"{run.ProcessId}", folder.At("image"));

        Assert.True(code == 0, output);
    }

    private static CracException AssertRefused(string name, object value)
    {
        CracException failure = Assert.Throws<CracException>(() => CriuConfigFile.Compose(new CheckpointOptions { CriuOption = new Dictionary<string, object?> { [name] = value } }));
        Assert.Equal(CracReason.OptionRefused, failure.Reason);
        Assert.False(string.IsNullOrWhiteSpace(failure.RecommendedAction));
        return failure;
    }
}
