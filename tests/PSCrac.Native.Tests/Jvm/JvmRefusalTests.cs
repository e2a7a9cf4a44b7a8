using PSCrac.Jvm;
using PSCrac.Procfs;
using Xunit;

namespace PSCrac.Tests.Jvm;

public class JvmRefusalTests
{
    private static readonly JvmProcess s_jvm = new()
    {
        ProcessId = 12,
        InnerProcessId = 12,
        Arguments = [],
        Identity = new ProcessIdentity(12, 0),
        CollectsStackTraces = false,
    };

    [Fact]
    public void A_class_that_failed_is_named()
    {
        IReadOnlyList<CracFinding> findings = JvmRefusal.Parse(
            "jdk.crac.CheckpointException\n\tSuppressed: java.nio.channels.IllegalSelectorException\n\t\tat java.base/sun.nio.ch.EPollSelectorImpl.beforeCheckpoint(EPollSelectorImpl.java:384)\n\tSuppressed: java.lang.IllegalStateException: pool is busy\n",
            s_jvm);

        Assert.Equal(2, findings.Count);
        Assert.StartsWith("selector", findings[0].What);
        Assert.Equal("IllegalStateException: pool is busy", findings[1].What);
        Assert.All(findings, static finding => Assert.Equal((CracFindingSeverity.Blocker, CracReason.JvmRefused), (finding.Severity, finding.Reason)));
    }

    [Theory]
    [InlineData("An exception during a checkpoint operation:\njdk.internal.crac.CheckpointException\n\tat java.base/jdk.internal.crac.Core.checkpointRestore1(Core.java:141)\n")]
    [InlineData("jdk.internal.crac.mirror.CheckpointException\n\tSuppressed: java.lang.RuntimeException: Native checkpoint failed.\n\t\tat java.base/jdk.internal.crac.mirror.Core.translateJVMExceptions(Core.java:121)\n")]
    public void A_refusal_that_names_nothing_is_the_engines(string text)
    {
        Assert.True(JvmRefusal.IsIn(text));
        Assert.Empty(JvmRefusal.Parse(text, s_jvm));
    }

    [Theory]
    [InlineData("java.lang.RuntimeException: C/R is not configured", "no checkpoint directory", "-XX:CRaCCheckpointTo")]
    [InlineData("java.lang.Exception: Current engine doesn't support second checkpoint", "one checkpoint only", "-Engine Criu")]
    [InlineData("java.lang.Exception: CRaC cannot commit checkpoint right now", "not ready", "again")]
    [InlineData("java.lang.IllegalStateException: Recursive checkpoint is not allowed", "itself already", "Wait")]
    [InlineData("java.lang.RuntimeException: Unknown C/R result: 7", "do not fit", "-Engine Criu")]
    public void What_the_JVM_says_itself_is_not_blamed_on_the_application(string cause, string what, string action)
    {
        CracFinding finding = Assert.Single(JvmRefusal.Parse($"jdk.internal.crac.mirror.CheckpointException\n\tSuppressed: {cause}\n\t\tat java.base/jdk.internal.crac.mirror.Core.checkpointRestore(Core.java:251)\n", s_jvm));

        Assert.Contains(what, finding.What);
        Assert.Contains(action, finding.RecommendedAction);
        Assert.DoesNotContain("beforeCheckpoint", finding.RecommendedAction);
    }

    [Theory]
    [InlineData("jdk.crac.impl.CheckpointOpenFileException: /path\n\tat java.base/jdk.crac.Core.checkpointRestore0(Core.java:100)\n", "open file: /path")]
    [InlineData("12\njdk.crac.impl.CheckpointOpenResourceException: FD fd=5 type=fifo path=pipe:[7]\n\tat x.Y.z(Y.java:1)\n13\n", "open resource: descriptor 5, pipe:[7]")]
    public void A_bare_trace_is_a_refusal(string text, string what)
    {
        Assert.True(JvmRefusal.IsIn(text));
        Assert.Equal(what, Assert.Single(JvmRefusal.Parse(text, s_jvm)).What);
    }

    [Theory]
    [InlineData("JVM: invalid info for restore provided: queued code -1")]
    [InlineData("CR: /jdk/lib/criu call failed")]
    [InlineData("[1.2s][error][crac] CRaC engine failed to checkpoint to /cr: error -1")]
    [InlineData("criuengine: CRIU failed with exit code 1 - check /cr/dump4.log")]
    public void The_engines_failure_is_seen(string line)
    {
        Assert.True(JvmRefusal.IsEngineFailure($"7\n{line}\n8\n"));
        Assert.False(JvmRefusal.IsEngineFailure("INFO: Starting checkpoint\n8\n"));
    }

    [Theory]
    [InlineData("Command executed successfully\n")]
    [InlineData("12:\n")]
    [InlineData("INFO: Starting checkpoint")]
    public void What_is_no_refusal_is_not_taken_for_one(string text) => Assert.False(JvmRefusal.IsIn(text));

    [Fact]
    public void Options_are_read_as_HotSpot_reads_them()
    {
        JvmArguments arguments = JvmArguments.Parse(
            ["java", "-XX:CRaCCheckpointTo=a", "-cp", "-XX:CRaCCheckpointTo=no", "-XX:CRaCCheckpointTo=b", "-Djdk.crac.collect-fd-stacktraces=true",
             "-XX:CRaCEngine=criuengine,x", "-XX:CRaCEngineOptions=args=-v4,keep_running=true", "Main", "-XX:CRaCCheckpointTo=c"],
            new Dictionary<string, string> { ["JAVA_TOOL_OPTIONS"] = "-XX:+DisableAttachMechanism -XX:CRaCCheckpointTo=z" });

        Assert.Equal("b", arguments.CheckpointTo);
        Assert.Equal("criuengine", arguments.Engine);
        Assert.True(arguments.CollectsStackTraces);
        Assert.True(arguments.KeepsRunning);
        Assert.True(arguments.AttachDisabled);
    }
}
