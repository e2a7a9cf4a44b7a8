using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.PidNamespaces;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>
/// Root neither runs nor reads what someone else may change. Each attack leaves a mark when it succeeds; all are tried in a process
/// of its own.
/// </summary>
public sealed class CriuTrustTests : IDisposable
{
    private const UnixFileMode Program = (UnixFileMode)0x1ED; // 0755
    private readonly TemporaryFolder _folder = new();

    private string Mark => _folder.At("mark");

    public void Dispose() => _folder.Dispose();

    [RootFact]
    public void A_criu_of_someone_elses_in_the_variable_is_not_run() => AssertRefused(
        Attack("criu"), Helper.Run(Variables(("CRAC_CRIU_PATH", _folder.At("criu"))), "locate"));

    [RootFact]
    public void A_criu_of_someone_elses_in_the_parameter_is_not_run() => AssertRefused(
        Attack("criu"), Helper.Run(Variables(), "locate", _folder.At("criu")));

    [RootFact]
    public void A_criu_in_a_folder_of_someone_elses_is_not_run()
    {
        Directory.CreateDirectory(_folder.At("bin"));
        string program = Attack("bin/criu", owner: 0);
        Ownership.Give(_folder.At("bin"), Ownership.Stranger);

        AssertRefused(_folder.At("bin"), Helper.Run(Variables(("CRAC_CRIU_PATH", program)), "locate"));
    }

    [RootFact]
    public void A_criu_of_someone_elses_on_the_PATH_is_not_run()
    {
        // From a folder outside of the checkout, whose own criu comes first.
        string program = Attack("bin/criu");
        Directory.CreateDirectory(_folder.At("module"));

        AssertRefused(program, Helper.RunFrom(_folder.At("module"), Variables(("PATH", $"{_folder.At("bin")}:{Environment.GetEnvironmentVariable("PATH")}")), "locate"));
    }

    [CriuFact]
    public void A_libcriu_that_someone_else_may_change_is_not_loaded()
    {
        File.Copy(CriuInstallation.Locate().LibCriuPath, _folder.At("libcriu.so.2"));
        Ownership.Give(_folder.At("libcriu.so.2"), Ownership.Stranger);

        AssertRefused(_folder.At("libcriu.so.2"), Helper.Run(Variables(("CRAC_LIBCRIU_PATH", _folder.At("libcriu.so.2"))), "locate"));
    }

    [CriuFact]
    public void A_library_beside_libcriu_that_someone_else_may_change_is_not_loaded()
    {
        File.Copy(CriuInstallation.Locate().LibCriuPath, _folder.At("libcriu.so.2"));
        File.WriteAllText(_folder.At("libprotobuf-c.so.1"), "");
        Ownership.Give(_folder.At("libprotobuf-c.so.1"), Ownership.Stranger);

        AssertRefused(_folder.At("libprotobuf-c.so.1"), Helper.Run(Variables(("CRAC_LIBCRIU_PATH", _folder.At("libcriu.so.2"))), "locate"));
    }

    [CriuFact]
    public void A_configuration_file_that_someone_else_may_change_is_not_read()
    {
        string file = WriteConfiguration($"action-script {Attack("script", owner: 0)}\n");
        Ownership.Give(file, Ownership.Stranger);

        AssertRefused(file, Helper.Run(Variables(("HOME", _folder.FullPath)), "locate"));
    }

    [CriuFact("python3")]
    public void A_home_of_someone_elses_supplies_no_configuration()
    {
        using var run = new CriuRun("");
        WriteConfiguration($"action-script {Attack("script", owner: 0)}\n");
        Ownership.Give(_folder.FullPath, Ownership.Stranger);

        (int code, string output, _) = Helper.Run(Variables(("HOME", _folder.FullPath)), "checkpoint", $"{run.ProcessId}", $"{run.ImagePath}/image");

        Assert.True(code == 0, output);
        Assert.DoesNotContain("configuration", output);
        Assert.False(File.Exists(Mark));
    }

    [RootFact]
    public void A_home_in_which_others_may_create_the_file_supplies_no_configuration()
    {
        // A file there now is read or refused; one that does not exist could be created just before criu reads it.
        File.SetUnixFileMode(_folder.FullPath, (UnixFileMode)0x3FF); // 1777

        (int code, string output, _) = Helper.Run(Variables(("HOME", _folder.FullPath)), "configuration");

        Assert.True(code == 0, output);
        Assert.DoesNotContain(_folder.FullPath + "/.criu", output);
        Assert.Contains($"everyone may write to {_folder.FullPath}", output);
    }

    [CriuFact("unshare")]
    public void The_machines_configuration_file_is_not_read_if_someone_else_may_change_it()
    {
        Directory.CreateDirectory(_folder.At("etc/criu"));
        File.WriteAllText(_folder.At("etc/criu/default.conf"), "tcp-close\n");
        Ownership.Give(_folder.At("etc/criu/default.conf"), Ownership.Stranger);

        AssertRefused("/etc/criu/default.conf", InOwnMounts($"mount -t overlay none -o lowerdir={_folder.At("etc")}:/etc /etc"));
    }

    [CriuFact("unshare")]
    public void A_feature_cache_that_someone_else_may_change_is_not_read() => AssertRefused(
        "/run/criu.kdat", InOwnMounts($"mount -t tmpfs none /run && echo x > /run/criu.kdat && chown {Ownership.Stranger} /run/criu.kdat"));

    [CriuFact("unshare")]
    public void A_feature_cache_that_someone_else_may_create_is_not_read() => AssertRefused(
        "/run", InOwnMounts("mount -t tmpfs -o mode=1777 none /run"));

    [CriuFact("python3")]
    public void An_action_script_that_someone_else_may_change_is_not_run_and_another_is()
    {
        using var run = new CriuRun("");
        string script = Attack("script");
        var request = new CheckpointRequest
        {
            ProcessId = run.ProcessId,
            ImagePath = $"{run.ImagePath}/image",
            Options = new() { LeaveRunning = true, CriuOption = new Dictionary<string, object?> { ["action-script"] = script } },
        };

        CracException failure = Expect.Failure(CracReason.FileNotTrusted, () => PSCrac.Checkpointing.Checkpoint.Run(request));

        Assert.Contains($"chown root {script}", failure.RecommendedAction);
        Assert.Contains("-CriuOption", failure.RecommendedAction);
        Assert.False(File.Exists(Mark));

        Ownership.Give(script, 0);
        PSCrac.Checkpointing.Checkpoint.Run(request);
        Assert.True(File.Exists(Mark), "the script of the test does nothing");
    }

    [CriuFact]
    public void An_action_script_of_the_configuration_that_someone_else_may_change_is_not_run()
    {
        string script = Attack("script");
        WriteConfiguration($"action-script {script}\n");

        AssertRefused(script, Helper.Run(Variables(("HOME", _folder.FullPath)), "locate"));
    }

    [CriuFact]
    public void Plugins_that_someone_else_may_change_are_not_loaded()
    {
        Directory.CreateDirectory(_folder.At("plugins"));
        AssertNoRefusal(Helper.Run(Variables(("CRIU_LIBS_DIR", _folder.At("plugins"))), "locate"));

        File.WriteAllText(_folder.At("plugins/plugin.so"), "");
        Ownership.Give(_folder.At("plugins/plugin.so"), Ownership.Stranger);
        AssertRefused(_folder.At("plugins/plugin.so"), Helper.Run(Variables(("CRIU_LIBS_DIR", _folder.At("plugins"))), "locate"));

        File.Delete(_folder.At("plugins/plugin.so"));
        Ownership.Give(_folder.At("plugins"), Ownership.Stranger);
        AssertRefused(_folder.At("plugins"), Helper.Run(Variables(("CRIU_LIBS_DIR", _folder.At("plugins"))), "locate"));
        CracException failure = Expect.Failure(
            CracReason.FileNotTrusted, () => CriuConfigFile.Compose(new CheckpointOptions { CriuOption = new Dictionary<string, object?> { ["libdir"] = _folder.At("plugins") } }));
        Assert.Contains("libdir", failure.RecommendedAction);
    }

    [RootFact]
    public void Programs_in_the_working_directory_or_in_a_folder_of_someone_elses_are_not_found()
    {
        Attack("prober", owner: 0);
        string program = Attack("bin/prober", owner: 0);
        string[] start = ["sh", "-c", "cd \"$0\" && exec \"$@\"", _folder.FullPath, .. Helper.Command("program", "prober")];
        Dictionary<string, string?> variables = Variables(("PATH", $".:bin:{_folder.At("bin")}:{Environment.GetEnvironmentVariable("PATH")}"));
        Assert.StartsWith(program + "\n", Helper.RunCommand(variables, start).Output);

        Ownership.Give(_folder.At("bin"), Ownership.Stranger);
        (int code, string output, string error) = Helper.RunCommand(variables, start);

        Assert.True(code == 0, output + error);
        Assert.StartsWith("\n/", output);
        Assert.DoesNotContain(_folder.FullPath, output);
        Assert.DoesNotContain(".:", output);

        // A trusted folder with a program of someone else's: criu would find it there.
        Ownership.Give(_folder.At("bin"), 0);
        Ownership.Give(program, Ownership.Stranger);
        AssertRefused(program, Helper.RunCommand(variables, start));
    }

    [RootFact]
    public void The_environment_names_what_is_not_used()
    {
        string program = Attack("bin/criu");
        Directory.CreateDirectory(_folder.At("open"));
        File.SetUnixFileMode(_folder.At("open"), (UnixFileMode)0x1FF); // 0777
        Directory.CreateDirectory(_folder.At("home"));
        Ownership.Give(_folder.At("home"), Ownership.Stranger);

        (int code, string output, string error) = Helper.Run(
            Variables(("CRAC_CRIU_PATH", program), ("HOME", _folder.At("home")), ("PATH", $"{_folder.At("open")}:{Environment.GetEnvironmentVariable("PATH")}")), "environment");

        Assert.True(code == 0, output + error);
        string[] rows = output.Split('\n');
        Assert.Contains($"chown root {program}", Assert.Single(rows, static row => row.StartsWith("criu | False", StringComparison.Ordinal)));
        Assert.Contains($"chmod go-w {_folder.At("open")}", Assert.Single(rows, row => row.StartsWith($"PATH: {_folder.At("open")} | False", StringComparison.Ordinal)));
        Assert.Contains($"belongs to user {Ownership.Stranger}", Assert.Single(rows, static row => row.StartsWith("HOME | False", StringComparison.Ordinal)));
        Assert.False(File.Exists(Mark));
    }

    [RootFact]
    public void The_dotnet_of_someone_elses_runs_no_namespace()
    {
        Directory.CreateDirectory(_folder.At("dotnet/shared/Microsoft.NETCore.App/10.0.0"));
        Attack("dotnet/dotnet", owner: 0);
        Assert.Equal(_folder.At("dotnet/dotnet"), NamespaceInitHost.Find([_folder.At("dotnet")], "/bin/pwsh").Program);

        Ownership.Give(_folder.At("dotnet/dotnet"), Ownership.Stranger);
        Assert.Equal("/bin/pwsh", NamespaceInitHost.Find([_folder.At("dotnet")], "/bin/pwsh").Program);

        Ownership.Give(_folder.At("dotnet/dotnet"), 0);
        Ownership.Give(_folder.At("dotnet/shared/Microsoft.NETCore.App"), Ownership.Stranger);
        Assert.Equal("/bin/pwsh", NamespaceInitHost.Find([_folder.At("dotnet")], "/bin/pwsh").Program);
    }

    [CriuFact("python3", "nsenter")]
    public void The_criu_of_a_container_is_not_run_with_the_rights_of_the_session()
    {
        // What a container has at criu's path is its own program; a mount stands for its root file system here.
        string criu = CriuInstallation.Locate().CriuPath;
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        using NewNamespace inside = NewNamespace.Restore(subject.ImagePath);
        (int code, _, string error) = Helper.RunCommand(Variables(), ["nsenter", "-m", "-t", $"{inside.Process.Id}", "mount", "--bind", Attack("criu", owner: 0), criu]);
        Assert.True(code == 0, error);
        var request = new CheckpointRequest { ProcessId = inside.Process.Id, ImagePath = subject.Folder.At("second"), Options = new() { LeaveRunning = true } };

        CracException failure = Expect.Failure(CracReason.NamespaceUnsupported, () => PSCrac.Checkpointing.Checkpoint.Run(request));

        Assert.Contains($"{criu} would be another program", failure.Message);
        Assert.False(File.Exists(Mark));
    }

    private static void AssertRefused(string path, (int Code, string Output, string Error) result)
    {
        Assert.True(result.Code == 1, result.Output + result.Error);
        Assert.StartsWith("failed FileNotTrusted\n", result.Output);
        Assert.Contains(path, result.Output.Split('\n')[1]);
        Assert.Matches($"ch(own root|mod go-w) {System.Text.RegularExpressions.Regex.Escape(path)}", result.Output.Split('\n')[2]);
    }

    private static void AssertNoRefusal((int Code, string Output, string Error) result) => Assert.True(result.Code == 0, result.Output + result.Error);

    private static Dictionary<string, string?> Variables(params (string Name, string? Value)[] variables)
    {
        var all = new Dictionary<string, string?> { ["CRAC_CRIU_PATH"] = null, ["CRAC_LIBCRIU_PATH"] = null, ["SUDO_UID"] = null };
        foreach ((string name, string? value) in variables)
        {
            all[name] = value;
        }

        return all;
    }

    private static (int Code, string Output, string Error) InOwnMounts(string prepare) =>
        Helper.RunCommand(Variables(), ["unshare", "-m", "sh", "-c", prepare + " && exec \"$@\"", "sh", .. Helper.Command("locate")]);

    private string WriteConfiguration(string text)
    {
        Directory.CreateDirectory(_folder.At(".criu"));
        File.WriteAllText(_folder.At(".criu/default.conf"), text);
        return _folder.At(".criu/default.conf");
    }

    // A program that leaves a mark.
    private string Attack(string name, int owner = Ownership.Stranger)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.At(name))!);
        File.WriteAllText(_folder.At(name), $"#!/bin/sh\ntouch {Mark}\n");
        File.SetUnixFileMode(_folder.At(name), Program);
        Ownership.Give(_folder.At(name), owner);
        return _folder.At(name);
    }
}
