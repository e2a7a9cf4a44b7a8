using System.Diagnostics;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>What PSCrac itself finds wrong before criu starts. What criu finds is in KnownFailures' tests.</summary>
public class RestoreFailureTests
{
    [CriuFact("python3")]
    public void A_pid_taken_by_another_program_is_told_with_its_name()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        using var taker = new PidTaker(subject.ProcessId, asZombie: false);

        CracException failure = Expect.Failure(CracReason.PidInUse, () => subject.Restore());

        Assert.Contains("squatter", failure.Message);
        Assert.Contains($"-Id {subject.ProcessId}", failure.RecommendedAction);
        Assert.Equal(subject.ProcessId, failure.ProcessId);
    }

    [CriuFact("python3")]
    public void A_pid_taken_by_a_zombie_is_waited_for()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        int last = subject.Count;
        using var taker = new PidTaker(subject.ProcessId, asZombie: true);
        using var timer = new Timer(_ => taker.LetGo(), null, 100, Timeout.Infinite);

        using CracRestoredProcess restored = subject.Restore();

        subject.AssertCountsPast(last + 3);
    }

    [CriuFact("python3")]
    public void A_zombie_that_is_not_reaped_in_time_is_told_with_its_parent()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        using var taker = new PidTaker(subject.ProcessId, asZombie: true);
        long start = Stopwatch.GetTimestamp();

        CracException failure = Expect.Failure(CracReason.PidInUse, () => subject.Restore(pidTimeout: TimeSpan.FromMilliseconds(200)));

        Assert.True(Stopwatch.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(200));
        Assert.Contains($"{taker.Parent}", failure.Message);
        Assert.Contains("-PidTimeout", failure.RecommendedAction);
    }

    [CriuFact("python3")]
    public void What_criu_says_of_a_failure_that_nobody_knows_is_all_in_the_log()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        int last = subject.Count;

        CracException failure = Expect.Failure(
            CracReason.Unknown, () => subject.Restore(new() { CriuOption = new Dictionary<string, object?> { ["lsm-profile"] = "nosuch:profile" } }));

        Assert.Contains(File.ReadLines(failure.LogPath!), static line => !line.Contains("Error", StringComparison.Ordinal) && !line.Contains("Warn", StringComparison.Ordinal));
        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(last + 3);
    }

    [CriuFact("python3")]
    public void An_image_that_can_be_restored_once_is_not_restored_twice_at_once()
    {
        using Subject subject = Subject.Python("import os, signal\nf = open('data', 'w')\nos.link('data', 'other')\nos.unlink('data')\nprint('ready', flush=True)\nsignal.pause()", "ready");
        Assert.True(subject.Checkpoint().Image.IsOneShot);
        CracException? second = null;
        var progress = Expect.At(CracPhase.Restoring, () => second = Assert.Throws<CracException>(() => subject.Restore()));

        using CracRestoredProcess restored = Restore.Run(
            new RestoreRequest { Image = CracImage.Open(subject.ImagePath), PidTimeout = Wait.Limit }, progress);
        subject.Program.Remember();

        Assert.Equal(CracReason.ImageConsumed, second?.Reason);
        Assert.Equal(subject.ProcessId, restored.Id);
    }

    [CriuFact("python3")]
    public void A_file_cut_short_is_told()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        using (FileStream file = File.OpenWrite(Path.Combine(subject.ImagePath, "pages-1.img")))
        {
            file.SetLength(file.Length - 4096);
        }

        Assert.Equal("pages-1.img", Expect.Failure(CracReason.ImageIncomplete, () => subject.Restore()).FileName);
    }

    [CriuFact("python3")]
    public void A_file_that_was_changed_is_told()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        string name = Path.GetFileName(Directory.GetFiles(subject.ImagePath, "core-*.img")[0]);
        byte[] content = File.ReadAllBytes(Path.Combine(subject.ImagePath, name));
        content[^1] ^= 1;
        File.WriteAllBytes(Path.Combine(subject.ImagePath, name), content);

        Assert.Equal(name, Expect.Failure(CracReason.ImageCorrupt, () => subject.Restore()).FileName);
    }

    [CriuFact("python3")]
    public void A_file_that_is_gone_is_told()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        File.Delete(Path.Combine(subject.ImagePath, "files.img"));

        Assert.Equal("files.img", Expect.Failure(CracReason.ImageIncomplete, () => subject.Restore()).FileName);
    }

    [CriuFact("python3")]
    public void Pages_cut_short_in_an_image_of_plain_criu_are_told()
    {
        // criu itself would read on for ever.
        using Subject subject = Subject.Counting();
        subject.DumpWithCriu();
        using (FileStream file = File.OpenWrite(Path.Combine(subject.ImagePath, "pages-1.img")))
        {
            file.SetLength(4096);
        }

        Assert.Equal("pages-1.img", Expect.Failure(CracReason.ImageIncomplete, () => subject.Restore()).FileName);
    }

    [CriuFact("python3")]
    public void A_child_that_criu_failed_to_restore_is_no_zombie_of_ours()
    {
        using Subject subject = Subject.Python("f = open('data', 'w'); f.write('x'); f.flush()\nimport signal\nprint('ready', flush=True)\nsignal.pause()", "ready");
        subject.Checkpoint();
        string data = Path.Combine(subject.Program.Folder, "data");
        File.WriteAllText(data, "grown");
        Expect.Failure(CracReason.FileChanged, () => subject.Restore(asChild: true, skipPreflight: true));
        File.WriteAllText(data, "x");

        // It would keep its pid until this process ends, and no wait would help.
        using CracRestoredProcess restored = subject.Restore(asChild: true, pidTimeout: TimeSpan.Zero);

        Assert.Equal(subject.ProcessId, restored.Id);
    }
}
