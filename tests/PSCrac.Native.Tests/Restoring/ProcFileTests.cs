using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>Open files in /proc in a new pid namespace.</summary>
public class ProcFileTests
{
    private const string Reads = """
        import os, sys, time
        f = open(f"/proc/{sys.argv[1]}/status")
        print("ready", flush=True)
        for n in range(1, 100000):
            f.seek(0); assert f.readline().startswith("Name:")
            print(n, flush=True); time.sleep(0.02)
        """;

    [CriuFact("python3")]
    public void A_file_of_the_process_itself_is_there()
    {
        using Subject subject = Subject.Of(["python3", "-c", Reads, "self"]);
        subject.Checkpoint();
        int count = subject.Count;

        using NewNamespace inside = NewNamespace.Restore(subject.ImagePath);

        Wait.Until(() => subject.Count > count + 2, () => "it does not go on");
    }

    [CriuFact("python3")]
    public void A_file_of_a_process_outside_is_refused_there_and_restored_here()
    {
        using Subject subject = Subject.Of(["python3", "-c", Reads, $"{Environment.ProcessId}"]);
        subject.Checkpoint();

        CracException failure = Expect.Failure(CracReason.NamespaceUnsupported, () => NewNamespace.Restore(subject.ImagePath));

        Assert.Contains("-PidNamespace Host", failure.RecommendedAction, StringComparison.Ordinal);
        Assert.Null(failure.LogPath);
        using CracRestoredProcess restored = subject.Restore();
    }
}
