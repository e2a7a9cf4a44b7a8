using System.Reflection;
using PSCrac.Criu;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>Every row of the table of known failures, reached by an actual failure of criu.</summary>
public partial class KnownFailureTests
{
    public static TheoryData<string> Dumps => [.. DumpFailures.All.Select(static each => each.Row)];

    public static TheoryData<string> Restores => [.. RestoreFailures.All.Select(static each => each.Row)];

    [Fact]
    public void Every_row_is_reached_by_a_test_or_has_a_reason_why_not()
    {
        HashSet<string> reached = [.. DumpFailures.All.Select(static each => each.Row), .. RestoreFailures.All.Select(static each => each.Row)];
        reached.UnionWith(typeof(KnownFailureTests).Assembly.GetTypes()
            .SelectMany(static type => type.GetMethods())
            .Select(static method => method.GetCustomAttribute<ReachesAttribute>()?.Row)
            .OfType<string>());

        Assert.All(KnownFailures.Rows, row => Assert.True(
            reached.Contains(row.Name) == (row.NotReproducedBecause is null), $"{row.Name}: a test, or a reason why there is none, and not both"));
        Assert.Empty(reached.Except(KnownFailures.Rows.Select(static row => row.Name)));
    }

    [Fact]
    public void Every_row_has_a_name_of_its_own_a_message_and_a_recommended_action()
    {
        Assert.True(KnownFailures.Rows.Count() >= 40);
        Assert.Equal(KnownFailures.Rows.Count(), KnownFailures.Rows.Select(static row => row.Name).Distinct().Count());
        Assert.All(KnownFailures.Rows, static row =>
        {
            Assert.EndsWith(".", row.Message);
            Assert.EndsWith(".", row.RecommendedAction);
            Assert.NotEqual(CracReason.Unknown, row.Reason);
        });
    }

    [Fact]
    public void An_unknown_failure_shows_criu_s_first_line_and_the_log()
    {
        CracException failure = KnownFailures.Explain(CracOperation.Restore, "/log", ["Error (criu/x.c:1): never seen", "Error (criu/y.c:2): nor this"]);

        Assert.Equal(CracReason.Unknown, failure.Reason);
        Assert.Contains("never seen", failure.Message);
        Assert.Contains("/log", failure.RecommendedAction);
    }

    [CriuTheory]
    [MemberData(nameof(Dumps))]
    public void A_dump_that_fails(string row)
    {
        DumpFailures.Case each = DumpFailures.All.Single(each => each.Row == row);
        using var run = new CriuRun(each.Script, each.Target, each.Prefix);

        CracException? failure = run.Dump(each.Options);

        if (each.DoneSince is { } since && CriuInstallation.Locate().GetVersion() >= since)
        {
            Assert.Null(failure);
            return;
        }

        AssertReached(row, failure);
    }

    [CriuTheory]
    [MemberData(nameof(Restores))]
    public void A_restore_that_fails(string row)
    {
        RestoreFailures.Case each = RestoreFailures.All.Single(each => each.Row == row);
        using var run = new CriuRun(each.Script, each.Target);
        Assert.Null(run.Dump(each.DumpOptions));
        using IDisposable? harm = each.Harm(run);

        AssertReached(row, run.Restore(each.Options, each.Config));
    }

    [CriuFact("python3", "ip")]
    [Reaches("address not here")]
    public void An_address_that_was_removed()
    {
        const string Address = "10.98.76.54/32";
        Assert.Equal(0, CriuProgram.RunProgram("ip", "address", "add", Address, "dev", "lo").ExitCode);
        CriuRun? run = null;
        try
        {
            run = new CriuRun("s = socket.create_server(('10.98.76.54', 0))");
            Assert.Null(run.Dump());
        }
        finally
        {
            CriuProgram.RunProgram("ip", "address", "del", Address, "dev", "lo");
        }

        using (run)
        {
            AssertReached("address not here", run.Restore());
        }
    }

    [CriuFact("python3")]
    [Reaches("gone")]
    public void A_process_that_has_ended()
    {
        using var run = new CriuRun("");
        using var image = new TemporaryFolder();
        run.End();

        AssertReached("gone", CriuRun.Dump(run.ProcessId, image.FullPath, new()));
    }

    [CriuFact("python3")]
    public void A_child_that_has_ended_does_not_explain_another_failure()
    {
        using var run = new CriuRun("""
            if os.fork() == 0: os._exit(0)
            if os.fork() == 0: os._exit(0)
            if os.fork() == 0: os._exit(0)
            kept = open("locked", "w")
            fcntl.flock(kept, fcntl.LOCK_EX)
            """);

        // criu cannot stop what has ended, says so for each, and continues.
        AssertReached("locks", run.Dump());
    }

    [Theory]
    [InlineData("Unable to detach from 7: No such process")]
    [InlineData("Error (compel/src/lib/infect.c:417): Unable to detach from 7: No such process")]
    public void A_process_that_criu_could_not_let_go_is_not_why_it_failed(string line)
    {
        Assert.Equal(CracReason.Unknown, KnownFailures.Explain(CracOperation.Checkpoint, null, [line]).Reason);
        Assert.Equal(
            CracReason.FileLocksHeld,
            KnownFailures.Explain(CracOperation.Checkpoint, null, ["Warn  (compel/src/lib/infect.c:131): Unable to interrupt task: 7 (No such process)", "Error (criu/file-lock.c:1): Some file locks are hold by dumping tasks! You can try --file-locks", line]).Reason);
    }

    [CriuFact("python3")]
    [Reaches("traced")]
    public void A_traced_process()
    {
        using var run = new CriuRun("");
        using var tracer = new CriuRun($"libc.ptrace(0x4206, {run.ProcessId}, 0, 0)");

        AssertReached("traced", run.Dump());
    }

    [CriuFact("python3")]
    [Reaches("criu in the tree")]
    public void A_tree_that_contains_criu_itself()
    {
        using var image = new TemporaryFolder();
        using var run = new CriuRun(
            $"import subprocess\nsubprocess.run(['{CriuProgram.Path}', 'dump', '-t', str(os.getpid()), '-D', '{image.FullPath}', '-o', 'dump.log', '-v4', '-j'])");

        IReadOnlyList<string> lines = LogFile.ReadErrors(image.At("dump.log"));
        AssertReached("criu in the tree", KnownFailures.Explain(CracOperation.Checkpoint, null, lines));
    }

    [CriuFact("python3", "/dev/net/tun")]
    [Reaches("tun")]
    public void A_tunnel_outside_a_network_namespace()
    {
        using var run = new CriuRun("f = open('/dev/net/tun', 'rb', 0)");

        AssertReached("tun", run.Dump());
    }

    [CriuFact("python3")]
    [Reaches("file of another build")]
    public void A_program_of_another_build()
    {
        // The note with a build's id: its name's length, its own, its type, its name (elf(5), NT_GNU_BUILD_ID).
        byte[] note = [4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, (byte)'G', (byte)'N', (byte)'U', 0];
        using var folder = new TemporaryFolder();
        string program = folder.At("program");
        File.Copy("/bin/sleep", program);
        using var run = new CriuRun(["sh", "-c", $"echo ready; exec {program} 600"]);
        Wait.Until(() => File.ResolveLinkTarget($"/proc/{run.ProcessId}/exe", false)?.FullName == program, () => "it did not start");
        Assert.Null(run.Dump());
        byte[] bytes = File.ReadAllBytes(program);
        int at = bytes.AsSpan().IndexOf(note);
        Assert.True(at >= 0);
        bytes[at + note.Length] ^= 1;
        UnixFileMode mode = File.GetUnixFileMode(program);
        File.Delete(program);
        File.WriteAllBytes(program, bytes);
        File.SetUnixFileMode(program, mode);

        AssertReached("file of another build", run.Restore());
    }

    [CriuFact("python3")]
    [Reaches("no space")]
    public void A_full_disk()
    {
        using var run = new CriuRun("big = bytearray(b'x') * (8 << 20)");
        using var disk = new SmallDisk(2);
        Directory.CreateDirectory(disk.At("image"));

        AssertReached("no space", CriuRun.Dump(run.ProcessId, disk.At("image"), new()));
    }

    [CriuFact("python3", "chattr")]
    [Reaches("privilege")]
    public void A_file_that_may_not_be_opened()
    {
        using var run = new CriuRun("f = open('data', 'w')");
        Assert.Null(run.Dump());
        string data = Path.Combine(run.Folder, "data");
        Assert.Equal(0, CriuProgram.RunProgram("chattr", "+i", data).ExitCode);
        try
        {
            AssertReached("privilege", run.Restore());
        }
        finally
        {
            CriuProgram.RunProgram("chattr", "-i", data);
        }
    }

    [CriuFact("python3")]
    [Reaches("configuration file")]
    public void An_invalid_configuration_file()
    {
        using var run = new CriuRun("");
        using var home = new TemporaryFolder();
        Directory.CreateDirectory(home.At(".criu"));
        File.WriteAllText(home.At(".criu/default.conf"), "skip-mnt \"never closed\n");

        (int code, string output, _) = Helper.Run(
            new Dictionary<string, string?> { ["HOME"] = home.FullPath }, "checkpoint", $"{run.ProcessId}", home.At("image"));

        Assert.Equal(1, code);
        Assert.Contains("failed OptionRefused", output);
        Assert.Contains(KnownFailures.Rows.Single(static row => row.Name == "configuration file").RecommendedAction, output);
    }

    [MachineFact(Lacking.SysResource)]
    [Reaches("resource limits")]
    public void A_process_of_another_user()
    {
        using var run = new CriuRun("", 0, "setpriv", "--reuid", "1234", "--regid", "1234", "--clear-groups");

        AssertReached("resource limits", run.Dump());
    }

    [MachineFact(Lacking.ClosedCriu)]
    [Reaches("not root")]
    public void Another_user_without_the_option_unprivileged()
    {
        using var folder = new TemporaryFolder();
        string image = Directory.CreateDirectory(folder.At("image")).FullName;
        GiveToNobody(image);

        AssertReached("not root", AsNobody("+checkpoint_restore", image, "dump", "-t", "1"));
    }

    [MachineFact(Lacking.ClosedCriu)]
    [Reaches("no capability")]
    public void Another_user_without_the_capability()
    {
        using var folder = new TemporaryFolder();
        string image = Directory.CreateDirectory(folder.At("image")).FullName;
        GiveToNobody(image);

        AssertReached("no capability", AsNobody("", image, "dump", "--unprivileged", "-t", "1"));
    }

    [MachineFact(Lacking.SysResourceAndClosedCriu)]
    [Reaches("bounding set")]
    public void Another_user_without_a_capability_of_the_bounding_set()
    {
        const string Needed = "+checkpoint_restore";
        using var program = TestProgram.Start("setpriv", ["--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", "exec sleep 600 >/dev/null 2>&1"], openFolder: true);
        using var folder = new TemporaryFolder();
        string image = Directory.CreateDirectory(folder.At("image")).FullName;
        GiveToNobody(image);
        string id = program.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture);
        Wait.Until(() => PSCrac.Procfs.ProcessStatus.TryRead(program.ProcessId) is { UserId: 65534, CommandName: "sleep" }, () => "not started");

        Assert.Null(AsNobody(Needed, image, "dump", "--unprivileged", "-t", id));
        Wait.Until(() => PSCrac.Procfs.ProcessStatus.TryRead(program.ProcessId) is null, () => "it stays");

        // Since 4.3 criu gives pipes their owner first.
        AssertReached(CriuInstallation.Locate().GetVersion() < new Version(4, 3) ? "bounding set" : "privilege", AsNobody(Needed, image, "restore", "--unprivileged", "-d"));
    }

    // Runs as a user with only these privileges, which a private criu, started by its own loader, cannot have itself.
    private static CracException? AsNobody(string capabilities, string image, params string[] arguments)
    {
        string[] ambient = capabilities.Length == 0 ? [] : ["--inh-caps", capabilities, "--ambient-caps", capabilities];
        (int code, string said) = CriuProgram.RunProgram(
            "setpriv",
            ["--reuid", "65534", "--regid", "65534", "--clear-groups", .. ambient, "sh", "-c", "exec \"$@\" 1>&2", "sh", CriuProgram.Path!, .. arguments, "-D", image, "-v4", "-o", "criu.log"]);
        string log = Path.Combine(image, "criu.log");
        IReadOnlyList<string> lines = LogFile.ReadErrors(log);
        return code == 0 ? null : KnownFailures.Explain(
            arguments[0] == "dump" ? CracOperation.Checkpoint : CracOperation.Restore, null, lines.Count > 0 ? lines : CriuLog.SelectErrors(said));
    }

    private static void GiveToNobody(string folder) =>
        Assert.Equal(0, CriuProgram.RunProgram("chown", "65534", folder, Path.GetDirectoryName(folder)!).ExitCode);

    [MachineFact(Lacking.DirtyTracking)]
    [Reaches("no dirty tracking")]
    public void Tracking_without_kernel_support()
    {
        using var run = new CriuRun("");

        AssertReached("no dirty tracking", run.Dump(new() { TrackMemory = true }));
    }

    [MachineFact(Lacking.DirtyTracking)]
    [Reaches("parent without tracking")]
    public void An_image_based_on_one_without_tracking()
    {
        using var run = new CriuRun("");
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At("parent"));
        Directory.CreateDirectory(folder.At("child"));
        Assert.Null(CriuRun.Dump(run.ProcessId, folder.At("parent"), new() { LeaveRunning = true }));

        AssertReached("parent without tracking", CriuRun.Dump(run.ProcessId, folder.At("child"), new() { ParentImage = "../parent" }));
    }

    [CriuFact("python3")]
    [Reaches("network lock")]
    public void A_connection_while_iptables_fails()
    {
        using var folder = new TemporaryFolder();
        string iptables = folder.At("iptables");
        File.WriteAllText(iptables, "#!/bin/sh\nexit 1\n");
        File.SetUnixFileMode(iptables, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        using var run = new CriuRun(DumpFailures.All.Single(static each => each.Row == "connected tcp socket").Script);

        // criu searches it on the PATH that the test sets.
        string? path = Environment.GetEnvironmentVariable("PATH");
        Environment.SetEnvironmentVariable("PATH", $"{folder.FullPath}:{path}");
        CracException? failure;
        try
        {
            failure = run.Dump(new() { TcpEstablished = true, CriuOption = new Dictionary<string, object?> { ["network-lock"] = "iptables" } });
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", path);
        }

        AssertReached("network lock", failure);
    }

    private static void AssertReached(string row, CracException? failure)
    {
        Assert.True(failure is not null, "criu did not fail");
        string said = string.Join('\n', failure.CriuLines);
        CracOperation operation = KnownFailures.Find(CracOperation.Restore, failure.CriuLines).Row?.Name == row ? CracOperation.Restore : CracOperation.Checkpoint;
        Assert.True(KnownFailures.Find(operation, failure.CriuLines).Row?.Name == row, $"{failure.Message}\n{said}");
        Assert.DoesNotContain("{", failure.Message);
        Assert.False(string.IsNullOrWhiteSpace(failure.RecommendedAction));
    }
}
