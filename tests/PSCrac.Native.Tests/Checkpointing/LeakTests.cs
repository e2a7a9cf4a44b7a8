using System.Diagnostics;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Checkpointing;

[Collection(AloneCollection.Name)]
public class LeakTests
{
    private const int Rounds = 30;

    [CriuFact("python3")]
    public void Thirty_rounds_leave_no_descriptor_thread_or_child_behind()
    {
        using Subject subject = Subject.Python("import signal\nprint('ready', flush=True)\nsignal.pause()", "ready");
        Round(subject);
        (int descriptors, int threads) = Count();

        for (int i = 0; i < Rounds; i++)
        {
            Round(subject);
        }

        AssertNotGrown(descriptors, threads);
    }

    [CriuFact("python3")]
    public void Ten_failed_rounds_leave_no_descriptor_thread_or_child_behind()
    {
        // A lock that nothing says to keep: criu itself refuses.
        using Subject subject = Subject.Python("import fcntl, signal\nf = open('lock', 'w'); fcntl.flock(f, fcntl.LOCK_EX)\nprint('ready', flush=True)\nsignal.pause()", "ready");
        Expect.Failure(CracReason.FileLocksHeld, () => subject.Checkpoint(chooseOptions: false));
        (int descriptors, int threads) = Count();

        for (int i = 0; i < 10; i++)
        {
            Expect.Failure(CracReason.FileLocksHeld, () => subject.Checkpoint(chooseOptions: false));
        }

        AssertNotGrown(descriptors, threads);
        subject.AssertUnharmed();
    }

    [CriuFact("python3")]
    public void A_restored_program_ends_with_its_test()
    {
        int id;
        using (Subject subject = Subject.Counting())
        {
            subject.Checkpoint();
            id = subject.Restore().Id;
        }

        Wait.Until(() => Subject.HasEnded(id), () => $"{id} outlives its test");
    }

    private static void Round(Subject subject)
    {
        subject.Checkpoint(force: true);
        subject.Restore(asChild: true).Dispose();
    }

    // The runtime's own pools come and go a little; a leak of one a round does not hide in that.
    private static void AssertNotGrown(int descriptors, int threads)
    {
        const int Slack = 5;
        Wait.Until(
            () => Count() is var (descriptorsNow, threadsNow) && descriptorsNow <= descriptors + Slack && threadsNow <= threads + Slack,
            () => $"{descriptors} descriptors and {threads} threads became {Count()}");
        Assert.Empty(Workers.OfThisProcess());
    }

    private static (int Descriptors, int Threads) Count()
    {
        using var self = Process.GetCurrentProcess();
        return (Directory.GetFileSystemEntries("/proc/self/fd").Length, self.Threads.Count);
    }
}
