using System.Diagnostics;
using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

/// <summary>What becomes of a checkpoint whose JVM or whose criu fails: told at once, with the reason and a log that exists.</summary>
public class JvmDumpFailureTests
{
    // Far from the minute that a JVM is waited for which says nothing.
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(25);

    [CriuFact("python3")]
    public void Traces_without_a_header_are_a_refusal()
    {
        using FakeJvm fake = FakeJvm.Start("bare");

        CracException failure = ExpectSoon(CracReason.JvmRefused, fake);

        Assert.Equal(
            ["open file: /var/log/shop.log", "open socket: tcp localAddr 127.0.0.1 localPort 8080"], failure.Findings.Select(static finding => finding.What));
        AssertRuns(fake);
    }

    [CriuTheory]
    [InlineData("", "--network-lock nonsense")]
    [InlineData("library-engine", "--prev-images-dir /nonexistent")]
    [InlineData("library-engine", "--no-such-option")]
    public void A_criu_that_ends_before_it_has_a_log_is_seen_on_the_console(string modes, string options)
    {
        using FakeJvm fake = FakeJvm.Start(modes, environment: new Dictionary<string, string> { ["CRAC_CRIU_OPTS"] = options });

        CracException failure = ExpectSoon(CracReason.JvmRefused, fake);

        Assert.Contains("engine failed: JVM: invalid info for restore provided", failure.Message);
        Assert.DoesNotContain("beforeCheckpoint", failure.RecommendedAction);
        Assert.Null(failure.LogPath);
        AssertRuns(fake);
    }

    [CriuTheory]
    [InlineData("sleep 0.6; exec {criu} \"$@\" --prev-images-dir /nonexistent", CracReason.JvmRefused, "")]
    [InlineData("sleep 0.6; exec prlimit --fsize=3000 {criu} \"$@\"", CracReason.JvmRefused, "")]
    [InlineData("sleep 0.6; exec {criu} \"$@\"", CracReason.TcpConnectionOpen, "open TCP connection")]
    [InlineData("sleep 0.6; exec {criu} \"$@\" --cgroup-props-file /nonexistent", CracReason.Unknown, "Can't open file /nonexistent")]
    [InlineData("for last do [ \"$before\" = -D ] && to=$last; before=$last; done; echo '(00.01) Error (criu/kerndat.c:1): no such kernel' >\"$to/dump4.log\"; exit 1", CracReason.Unknown, "no such kernel")]
    public void A_criu_that_ends_is_noticed_where_the_JVM_says_nothing(string script, CracReason reason, string line)
    {
        using FakeJvm fake = FakeJvm.Start("mute connected", criu: script);

        CracException failure = ExpectSoon(reason, fake);

        Assert.Contains(line, failure.Message);
        Assert.Equal(line.Length > 0, File.Exists(failure.LogPath));
        AssertRuns(fake);
    }

    [CriuTheory]
    [InlineData("connected dies", CracReason.TcpConnectionOpen, "-TcpEstablished")]
    [InlineData("connected dies library-engine", CracReason.TcpConnectionOpen, "-TcpEstablished")]
    public void A_JVM_that_ends_after_a_failed_dump_leaves_the_reason(string modes, CracReason reason, string action)
    {
        using FakeJvm fake = FakeJvm.Start(modes);

        CracException failure = ExpectSoon(reason, fake);

        Assert.True(File.Exists(failure.LogPath));
        Assert.Contains(action, failure.RecommendedAction);
        Assert.StartsWith("Use -Engine Criu, and then: ", failure.RecommendedAction);
    }

    [CriuFact("python3")]
    public void One_that_ends_without_a_word_is_told_of()
    {
        using FakeJvm fake = FakeJvm.Start("dies", environment: new Dictionary<string, string> { ["CRAC_CRIU_OPTS"] = "--prev-images-dir /nonexistent" });

        CracException failure = Assert.Throws<CracException>(() => fake.Checkpoint());

        // It may end before it is looked at, or after.
        Assert.True(failure.Reason is CracReason.ImageIncomplete or CracReason.JvmRefused, failure.Message);
        Wait.Until(() => Subject.HasEnded(fake.ProcessId), () => "it runs");
    }

    [CriuTheory]
    [InlineData("", false)]
    [InlineData("library-engine", true)]
    public void A_placing_that_fails_says_what_became_of_the_JVM(string modes, bool goesOn)
    {
        using FakeJvm fake = FakeJvm.Start(modes, environment: goesOn ? new Dictionary<string, string> { ["CRAC_CRIU_LEAVE_RUNNING"] = "1" } : null);
        string parent = fake.Folder.At("deep");
        var remove = new OnPhase(CracPhase.Sealing, () => Directory.Delete(parent, recursive: true));

        CracException failure = Assert.Throws<CracException>(() => Checkpoint.Run(fake.Request(Path.Combine(parent, "image")), remove));

        Assert.Contains(goesOn ? "The JVM runs" : "The JVM has ended", failure.Message);
        Assert.DoesNotContain("process continues", failure.Message);
        Assert.True(CracImage.Open(fake.Target).IsRestorable(out string? missing), missing);
    }

    private static CracException ExpectSoon(CracReason reason, FakeJvm fake)
    {
        var clock = Stopwatch.StartNew();
        CracException failure = Expect.Failure(reason, () => fake.Checkpoint());
        Assert.True(clock.Elapsed < s_soon, $"after {clock.Elapsed}");
        return failure;
    }

    private static void AssertRuns(FakeJvm fake)
    {
        fake.WaitPast(fake.LastNumber() + 2);
        Assert.Equal(["jdk"], fake.Folder.Names());
    }

    private sealed class OnPhase(CracPhase phase, Action action) : IProgress<CracProgress>
    {
        public void Report(CracProgress value)
        {
            if (value.Phase == phase)
            {
                action();
            }
        }
    }
}
