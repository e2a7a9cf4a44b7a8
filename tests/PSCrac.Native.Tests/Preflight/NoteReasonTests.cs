using PSCrac.Preflight;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>The reasons of what is only to be known.</summary>
public class NoteReasonTests
{
    [CriuFact("python3")]
    public void Timers_and_random_numbers_have_reasons_of_their_own()
    {
        using Subject subject = Subject.Of(["python3", "-c", """
            import ctypes, os, time
            f = os.open("/dev/urandom", os.O_RDONLY)
            ctypes.CDLL(None).timerfd_create(1, 0)
            print("ready", flush=True)
            time.sleep(600)
            """]);

        IReadOnlyList<CracFinding> findings = ProcessPreflight.Examine(subject.ProcessId).Findings;

        Assert.Contains(findings, static finding => finding.Reason == CracReason.RandomStateRepeated);
        Assert.Contains(findings, static finding => finding.Reason == CracReason.ClockChanged);
        Assert.DoesNotContain(findings, static finding => finding.Reason is CracReason.Unknown or CracReason.TimedOut);
    }

    [CriuFact("python3")]
    public void The_time_namespace_that_criu_gave_a_restored_tree_is_not_called_unsupported()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();

        IReadOnlyList<CracFinding> findings = ProcessPreflight.Examine(restored.Id).Findings;

        Assert.DoesNotContain(findings, static finding => finding.Reason == CracReason.NamespaceUnsupported);
        Assert.All(findings.Where(static finding => finding.What.Contains("time namespace", StringComparison.Ordinal)), static finding => Assert.Equal(CracReason.OwnNamespace, finding.Reason));
    }
}
