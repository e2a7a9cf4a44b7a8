using PSCrac.Criu;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Preflight.Subjects;
using PSCrac.Restoring;
using PSCrac.Tests.Criu;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>criu in a network namespace whose loopback interface is down.</summary>
[Collection(AloneCollection.Name)]
public class LoopbackTests
{
    private const int NewNetwork = 0x40000000; // CLONE_NEWNET

    [CriuFact("python3")]
    [Reaches("loopback down")]
    public void It_is_refused_at_both_ends_before_criu_starts_and_criu_s_own_words_are_explained()
    {
        using Subject subject = Subject.Counting();
        using Subject stays = Subject.Counting();
        Assert.False(LoopbackProbe.StopsCriu());
        subject.Checkpoint();
        CracImage image = CracImage.Open(subject.ImagePath);

        CracException? checkpoint = null, restore = null, unasked = null;
        bool stops = false;
        RunInNewNetwork(() =>
        {
            stops = LoopbackProbe.StopsCriu();
            checkpoint = Assert.Throws<CracException>(() => stays.Checkpoint());
            unasked = Assert.Throws<CracException>(() => stays.Checkpoint(chooseOptions: false));
            restore = Assert.Throws<CracException>(() => RestorePreflight.RequirePossible(
                new RestoreRequest { Image = image }, new RestoreOptions(), CriuInstallation.Locate(), isNew: false, new FileEdits()));
        });

        Assert.True(stops);
        Assert.All([checkpoint!, unasked!, restore!], static failure =>
        {
            Assert.Equal(CracReason.AddressUnavailable, failure.Reason);
            Assert.Contains("ip link set lo up", failure.RecommendedAction, StringComparison.Ordinal);
        });
        Assert.Null(checkpoint!.LogPath);
        stays.AssertUnharmed();
        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 1);
    }

    [RootFact]
    public void It_is_no_obstacle_where_the_interface_is_up()
    {
        bool whenDown = false, whenUp = true;
        RunInNewNetwork(() =>
        {
            whenDown = LoopbackProbe.StopsCriu();
            CriuProgram.RunProgram("ip", "link", "set", "lo", "up");
            whenUp = LoopbackProbe.StopsCriu();
        });

        Assert.True(whenDown);
        Assert.False(whenUp);
    }

    // A child of a thread has the thread's namespaces. The thread is not used again.
    private static void RunInNewNetwork(Action action)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Assert.Equal(Errno.None, LibC.Unshare(NewNetwork));
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        Assert.True(failure is null, $"{failure}");
    }
}
