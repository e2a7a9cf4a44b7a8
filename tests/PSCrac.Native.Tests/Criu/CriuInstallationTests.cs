using PSCrac.Criu;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>The search for criu and libcriu, and the errors if they are missing. Mostly in a separate process: a library stays loaded.</summary>
public class CriuInstallationTests
{
    private const UnixFileMode Executable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    [CriuFact]
    public void The_parameter_comes_first()
    {
        var found = CriuInstallation.Locate(CriuProgram.Path);

        Assert.Equal("-CriuPath", found.CriuSource);
        Assert.True(found.GetVersion() >= CriuInstallation.MinimumVersion(CriuInstallation.ReadKernelVersion()));
    }

    [CriuFact]
    public void The_environment_comes_before_the_rest()
    {
        (int code, string output, _) = Helper.Run(Environment(("CRAC_CRIU_PATH", CriuProgram.Path)), "locate");

        Assert.True(code == 0, output);
        Assert.StartsWith($"found {CriuProgram.Path} ", output);
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("folder")]
    [InlineData("file")]
    public void A_path_that_is_not_a_program_is_reported(string name)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At("folder"));
        File.WriteAllText(folder.At("file"), "no program");

        CracException failure = Assert.Throws<CracException>(() => CriuInstallation.Locate(folder.At(name)));

        Assert.Equal(CracReason.CriuNotFound, failure.Reason);
        Assert.Contains(folder.At(name), failure.Message);
    }

    [Fact]
    public void A_variable_that_names_no_program_is_reported()
    {
        (int code, string output, _) = Helper.Run(Environment(("CRAC_CRIU_PATH", "/nothing/criu")), "locate");

        Assert.Equal(1, code);
        Assert.Contains("failed CriuNotFound", output);
        Assert.Contains("CRAC_CRIU_PATH names /nothing/criu", output);
    }

    [NoSystemCriuFact]
    public void A_missing_criu_is_reported_with_the_places_searched()
    {
        using var folder = new TemporaryFolder();

        (int code, string output, _) = Helper.RunFrom(folder.FullPath, Environment(("PATH", "/nothing")), "locate");

        Assert.Equal(1, code);
        Assert.Contains("failed CriuNotFound", output);
        Assert.All(["CRAC_CRIU_PATH", ".tools/criu", "PATH", "/usr/sbin"], place => Assert.Contains(place, output));
    }

    [Theory]
    [InlineData("echo 'Version: 2.0'", CracReason.CriuTooOld)]
    [InlineData("echo hello", CracReason.CriuNotFound)]
    [InlineData("echo trouble >&2; exit 1", CracReason.CriuNotFound)]
    public void A_criu_that_is_too_old_or_invalid_is_reported(string script, CracReason reason)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("criu"), "#!/bin/sh\n" + script + "\n");
        File.SetUnixFileMode(folder.At("criu"), Executable);

        (int code, string output, _) = Helper.Run(Environment(), "locate", folder.At("criu"), CriuProgram.LibCriu ?? "");

        Assert.Equal(1, code);
        Assert.Contains($"failed {reason}", output);
        Assert.Contains(folder.At("criu"), output);
    }

    [Fact]
    public void A_program_that_cannot_run_is_reported()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("criu"), "\x7fELF and no more");
        File.SetUnixFileMode(folder.At("criu"), Executable);

        (_, string output, _) = Helper.Run(Environment(), "locate", folder.At("criu"), CriuProgram.LibCriu ?? "");

        Assert.Contains("failed CriuNotFound", output);
    }

    [CriuFact]
    public void A_missing_libcriu_is_reported_with_the_places_searched()
    {
        (int code, string output, string error) = Helper.Run(Environment(("CRAC_LIBCRIU_PATH", "/nothing/libcriu.so.2")), "locate");

        Assert.Equal(1, code);
        Assert.Contains("failed LibCriuNotFound", output);
        Assert.Contains("/nothing/libcriu.so.2", output);
        Assert.Equal("", error);
    }

    [CriuFact]
    public void A_libcriu_that_is_not_a_library_is_reported()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("libcriu.so.2"), "no library");

        (_, string output, _) = Helper.Run(Environment(("CRAC_LIBCRIU_PATH", folder.At("libcriu.so.2"))), "locate");

        Assert.Contains("failed LibCriuNotFound", output);
    }

    [CriuFact]
    public void A_library_that_is_not_libcriu_is_reported()
    {
        (_, string output, _) = Helper.Run(Environment(("CRAC_LIBCRIU_PATH", "libc.so.6")), "locate");

        Assert.Contains("failed LibCriuNotFound", output);
        Assert.Contains("criu_local_feature_check", output);
    }

    [Theory]
    [InlineData("Version: 4.2.1\nGitID: v4.2.1\n", "4.2.1")]
    [InlineData("Version: 4.2\n", "4.2")]
    [InlineData("(00.000000) Version: 3.17.1 (gitid 0)\n", "3.17.1")]
    [InlineData("Version: five", null)]
    [InlineData("", null)]
    public void A_version_is_parsed(string text, string? version) => Assert.Equal(version, CriuInstallation.ParseVersion(text)?.ToString());

    [Fact]
    public void Kernels_from_6_13_on_need_criu_4_2()
    {
        Assert.Equal(new Version(4, 2), CriuInstallation.MinimumVersion(new Version(6, 13, 0)));
        Assert.Equal(new Version(3, 17), CriuInstallation.MinimumVersion(new Version(6, 12, 9)));
    }

    private static Dictionary<string, string?> Environment(params (string Name, string? Value)[] variables)
    {
        var all = new Dictionary<string, string?> { ["CRAC_CRIU_PATH"] = null, ["CRAC_LIBCRIU_PATH"] = null };
        foreach ((string name, string? value) in variables)
        {
            all[name] = value;
        }

        return all;
    }

    private sealed class NoSystemCriuFactAttribute : FactAttribute
    {
        public NoSystemCriuFactAttribute()
        {
            string[] folders = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];
            if (Array.Find(folders, static folder => File.Exists(Path.Combine(folder, "criu"))) is { } folder)
            {
                Skip = $"there is a criu in {folder}";
                DisplayName = $"(skipped: {Skip})";
            }
        }
    }
}
