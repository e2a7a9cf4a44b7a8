using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Preflight.Subjects;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

public class ProcessPreflightTests
{
    private const string Locked = """
        import fcntl, os, time
        f = os.open("lock", os.O_RDWR | os.O_CREAT)
        fcntl.flock(f, fcntl.LOCK_EX)
        print("ready", flush=True)
        time.sleep(600)
        """;

    [ProgramFact("python3")]
    public void An_option_is_chosen_unless_the_caller_has_set_it()
    {
        using var program = TestProgram.Start("python3", ["-c", Locked]);
        program.WaitForLine("ready");

        ProcessPreflight silent = ProcessPreflight.Examine(program.ProcessId);
        Assert.True(silent.CanCheckpoint);
        Assert.True(silent.Options.Contains("file-locks"));
        Assert.Contains("-FileLocks", Assert.Single(silent.Options.Reasons).RecommendedAction!, StringComparison.Ordinal);

        ProcessPreflight given = ProcessPreflight.Examine(program.ProcessId, new PreflightOptions { Checkpoint = new() { FileLocks = true } });
        Assert.True(given.CanCheckpoint);
        Assert.True(given.Options.IsEmpty);
        Assert.Contains(given.Findings, finding => finding is { Severity: CracFindingSeverity.Option, CriuOption: "file-locks", IsAutomatic: false });

        ProcessPreflight refused = ProcessPreflight.Examine(program.ProcessId, new PreflightOptions { Checkpoint = new() { FileLocks = false } });
        Assert.False(refused.CanCheckpoint);

        ProcessPreflight unchosen = ProcessPreflight.Examine(program.ProcessId, new PreflightOptions { ChooseOptions = false });
        Assert.False(unchosen.CanCheckpoint);
        CracFinding blocker = unchosen.Findings[0];
        Assert.Equal(CracFindingSeverity.Blocker, blocker.Severity);
        Assert.Equal(CracReason.FileLocksHeld, blocker.Reason);
        Assert.Equal(program.ProcessId, blocker.ProcessId);
        Assert.Contains("-FileLocks", blocker.RecommendedAction!, StringComparison.Ordinal);
    }

    [ProgramTheory("python3")]
    [InlineData("mmap.MAP_SHARED")]
    [InlineData("mmap.MAP_PRIVATE")]
    public void A_lock_on_a_mapped_file_that_cannot_be_taken_again_needs_consent(string flags)
    {
        using var program = TestProgram.Start("python3", ["-c", $"""
            import fcntl, mmap, os, time
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, bytes(4096))
            a = mmap.mmap(f, 4096, {flags})
            fcntl.lockf(f, fcntl.LOCK_EX)
            print("ready", flush=True)
            time.sleep(60)
            """]);
        program.WaitForLine("ready");
        PreflightEnvironment nobody = PreflightEnvironment.Read() with { Capabilities = 0 };

        ProcessPreflight able = ProcessPreflight.Examine(program.ProcessId);
        ProcessPreflight unable = ProcessPreflight.Examine(program.ProcessId, PreflightOptions.Default, nobody);
        ProcessPreflight agreed = ProcessPreflight.Examine(program.ProcessId, new PreflightOptions { Checkpoint = new() { FileLocks = true } }, nobody);

        Assert.Equal(CracFindingSeverity.Option, Assert.Single(able.Findings, IsMapped).Severity);
        Assert.Contains("-FileLocks", Assert.Single(unable.Findings, static finding => IsMapped(finding) && finding.Severity == CracFindingSeverity.Blocker).RecommendedAction, StringComparison.Ordinal);
        Assert.Contains(agreed.Findings, static finding => IsMapped(finding) && finding.Severity == CracFindingSeverity.Warning);

        static bool IsMapped(CracFinding finding) => finding.Reason == CracReason.FileLocksHeld && finding.What.Contains("also maps", StringComparison.Ordinal);
    }

    [ProgramTheory("python3")]
    [InlineData("set_mempolicy", "libc.syscall(238, 2, nodes, 64)")]
    [InlineData("mbind", "libc.syscall(237, ctypes.c_void_p(ctypes.addressof(page)), ctypes.c_ulong(4096), 2, nodes, ctypes.c_ulong(64), 0)")]
    public void A_policy_for_memory_is_told_where_there_are_several_nodes(string call, string code)
    {
        using var program = TestProgram.Start("python3", ["-c", $"""
            import ctypes, mmap, time
            libc = ctypes.CDLL(None, use_errno=True)
            area = mmap.mmap(-1, 4096)
            page = ctypes.c_char.from_buffer(area)
            nodes = ctypes.byref(ctypes.c_ulong(1))
            assert {code} == 0, ctypes.get_errno()
            area[0] = 1
            print("ready", flush=True)
            time.sleep(60)
            """]);
        program.WaitForLine("ready");
        PreflightEnvironment here = PreflightEnvironment.Read();

        ProcessPreflight many = ProcessPreflight.Examine(program.ProcessId, PreflightOptions.Default, here with { HasSeveralNodes = true });
        ProcessPreflight one = ProcessPreflight.Examine(program.ProcessId, PreflightOptions.Default, here with { HasSeveralNodes = false });

        CracFinding told = Assert.Single(many.Findings, static finding => finding.What.StartsWith("memory policy bind:0", StringComparison.Ordinal));
        Assert.True(told.Severity == CracFindingSeverity.Warning, call);
        Assert.DoesNotContain(one.Findings, static finding => finding.What.StartsWith("memory policy", StringComparison.Ordinal));
    }

    [ProgramFact("python3")]
    public void Link_remap_is_never_chosen_with_LeaveRunning()
    {
        using var program = TestProgram.Start("python3", ["-c", """
            import os, time
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.link("data", "other")
            os.unlink("data")
            print("ready", flush=True)
            time.sleep(600)
            """]);
        program.WaitForLine("ready");

        ProcessPreflight killed = ProcessPreflight.Examine(program.ProcessId);
        Assert.True(killed.Options.Contains("link-remap"));

        ProcessPreflight left = ProcessPreflight.Examine(program.ProcessId, new PreflightOptions { Checkpoint = new() { LeaveRunning = true } });
        Assert.False(left.CanCheckpoint);
        Assert.False(left.Options.Contains("link-remap"));
        Assert.Contains("-LeaveRunning", left.Findings[0].RecommendedAction!, StringComparison.Ordinal);
    }

    [Fact]
    public void Children_that_start_and_end_during_the_examination_are_no_blockers()
    {
        using var program = TestProgram.Start("bash", ["-c", "echo ready; while :; do /bin/true | /bin/cat; /bin/true & /bin/true; wait; done"]);
        program.WaitForLine("ready");
        for (int look = 0; look < 400; look++)
        {
            ProcessPreflight preflight = ProcessPreflight.Examine(program.ProcessId);
            Assert.DoesNotContain(preflight.Findings, finding => finding.Severity == CracFindingSeverity.Blocker);
        }
    }

    [Fact]
    public void A_tree_that_contains_the_caller_is_blocked()
    {
        ProcessPreflight own = ProcessPreflight.Examine(Environment.ProcessId);

        Assert.Contains(own.Findings, finding => finding is { Severity: CracFindingSeverity.Blocker, Reason: CracReason.ProcessNotEligible });
    }

    [ProgramFact("python3")]
    public void A_stale_value_is_a_warning_with_its_place()
    {
        using var program = TestProgram.Start("env", ["MY_HOST=x-" + Environment.MachineName + ".lan", "DB_PASSWORD=hush", "PLAIN=1", "python3", "-c", """
            import time
            log = open("service.log", "w")
            print("ready", flush=True)
            time.sleep(600)
            """, "--auth-token=hush"]);
        program.WaitForLine("ready");

        IReadOnlyList<CracFinding> findings = ProcessPreflight.Examine(program.ProcessId).Findings;
        string Warned(string part) => Assert.Single(findings, finding => finding.Severity == CracFindingSeverity.Warning && finding.What.Contains(part, StringComparison.Ordinal)).What;

        Warned("variable DB_PASSWORD");
        Warned("--auth-token");
        Warned("service.log, 0 bytes");
        Assert.DoesNotContain(findings, finding => finding.ToString().Contains("hush", StringComparison.Ordinal));
        Assert.DoesNotContain(findings, finding => finding.What.Contains("PLAIN", StringComparison.Ordinal));
        if (Environment.MachineName.Length >= 4)
        {
            Warned("variable MY_HOST");
        }
    }

    [ProgramFact("python3")]
    public void A_finding_has_what_why_and_a_recommended_action()
    {
        using var program = TestProgram.Start("python3", ["-c", Locked]);
        program.WaitForLine("ready");

        foreach (CracFinding finding in ProcessPreflight.Examine(program.ProcessId, new PreflightOptions { ChooseOptions = false }).Findings)
        {
            Assert.NotEmpty(finding.What);
            Assert.EndsWith(".", finding.Why, StringComparison.Ordinal);
            Assert.True(finding.Severity is CracFindingSeverity.Note or CracFindingSeverity.Warning || finding.RecommendedAction is not null);
        }
    }
}
