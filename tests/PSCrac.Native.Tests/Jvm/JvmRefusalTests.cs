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

    [Fact]
    public void A_refusal_that_names_nothing_points_at_the_engine()
    {
        string text = "An exception during a checkpoint operation:\njdk.internal.crac.CheckpointException\n\tat java.base/jdk.internal.crac.Core.checkpointRestore1(Core.java:141)\n";

        Assert.True(JvmRefusal.IsIn(text));
        Assert.Contains("engine", Assert.Single(JvmRefusal.Parse(text, s_jvm)).What);
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
