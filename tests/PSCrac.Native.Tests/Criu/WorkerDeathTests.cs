using System.Diagnostics;
using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Starting;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

[Collection(AloneCollection.Name)]
public class WorkerDeathTests
{
    private const string Big = """
        import itertools, time
        big = bytearray(b"\x5a") * (300 << 20)
        for n in itertools.count(1):
            print(n, flush=True)
            time.sleep(0.02)
        """;

    [CriuFact("python3")]
    public void A_worker_killed_in_mid_dump_is_told_and_the_process_lives()
    {
        using Subject subject = Subject.Python(Big);

        CracException failure = Expect.Failure(
            CracReason.WorkerDied,
            () => subject.Checkpoint(progress: Expect.AtFirstPages(() => Array.ForEach(Workers.OfThisProcess(), Kill))));

        Assert.Contains("signal 9", failure.Message);
        Assert.Equal(subject.ProcessId, failure.ProcessId);
        Assert.True(File.Exists(failure.LogPath));
        subject.AssertUnharmed();
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void Nothing_is_printed_about_a_worker_killed_in_mid_dump()
    {
        using Subject subject = Subject.Python(Big);
        using Process helper = StartCheckpoint(subject, out Task<string> errors);
        KillWorkerOnceItWrites(helper, subject);

        string output = helper.StandardOutput.ReadToEnd();
        helper.WaitForExit();

        Assert.Equal(1, helper.ExitCode);
        Assert.Contains("failed WorkerDied", output);
        Assert.Equal("", errors.Result);
        subject.AssertUnharmed();
    }

    [CriuFact("python3")]
    public void When_the_caller_is_killed_in_mid_dump_criu_rolls_back_by_itself()
    {
        using Subject subject = Subject.Python(Big);
        int[] before = Mappings(subject);
        using Process helper = StartCheckpoint(subject, out _);
        int worker = WaitForWriting(helper, subject);

        Kill(helper.Id);

        Wait.Until(() => Subject.HasEnded(worker), () => "the worker goes on without its caller");
        Assert.False(Directory.Exists(subject.ImagePath));
        Assert.False(Subject.HasEnded(subject.ProcessId));
        Assert.Equal(before, Mappings(subject));
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void A_worker_killed_while_it_kills_the_tree_keeps_the_image()
    {
        using Subject subject = Subject.Counting();
        var progress = Expect.At(CracPhase.Finishing, () =>
        {
            // What criu would do next, and then its end: the tree is dead, and nobody has said so.
            Kill(subject.ProcessId);
            Wait.Until(() => Subject.HasEnded(subject.ProcessId), () => "it lives");
            Array.ForEach(Workers.OfThisProcess(), Kill);
        });

        CracException failure = Expect.Failure(CracReason.WorkerDied, () => subject.Checkpoint(progress: progress));

        Assert.Contains("whole", failure.Message);
        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void A_worker_killed_in_mid_restore_leaves_no_process_behind() => AssertRestoreDies(asChild: false);

    [CriuFact("python3")]
    public void A_worker_killed_in_mid_restore_of_a_child_leaves_no_process_behind() => AssertRestoreDies(asChild: true);

    [CriuTheory]
    [InlineData(CracPhase.Restoring)]
    [InlineData(CracPhase.Resuming)]
    public void A_worker_killed_while_a_start_restores_has_the_program_started_anew(CracPhase phase)
    {
        using var folder = new TemporaryFolder();
        StartRequest request = ToStart(folder) with { OrRestore = true };
        StartOperation.Run(request).Process.End();
        var progress = Expect.At(phase, static () => Array.ForEach(Workers.Await(), Kill));

        StartResult result = StartOperation.Run(request, progress);

        try
        {
            Assert.False(result.Process.IsRestored);
            Assert.False(result.Process.HasExited);
            Assert.Single(result.Warnings);
            Assert.Equal(result.Process.Id, CracImage.Open(request.ImagePath!).RootProcessId);
        }
        finally
        {
            result.Process.End();
        }
    }

    [CriuTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_worker_killed_while_a_start_checkpoints_leaves_no_image_and_no_frozen_program(bool orRestore)
    {
        using var folder = new TemporaryFolder();
        CracStartedProcess? process = null;
        var progress = Expect.AtFirstPages(static () => Array.ForEach(Workers.OfThisProcess(), Kill));
        StartResult Start() => StartOperation.Run(ToStart(folder) with { OrRestore = orRestore }, progress, started => process = started);
        try
        {
            if (orRestore)
            {
                // What was asked for is a program that runs.
                Assert.Single(Start().Warnings);
                int count = Count();
                Wait.Until(() => Count() > count + 2, () => "it does not go on");
            }
            else
            {
                Expect.Failure(CracReason.WorkerDied, () => Start());
                Assert.True(process!.HasExited);
            }

            Assert.Equal(["out"], folder.Names());
        }
        finally
        {
            process?.End();
        }

        int Count() => File.ReadAllLines(folder.At("out")).Length;
    }

    private static StartRequest ToStart(TemporaryFolder folder) => new()
    {
        FilePath = "python3",
        Arguments = ["-c", Big],
        StandardOutputPath = folder.At("out"),
        Ready = [new ReadyPattern("^1$", [folder.At("out")])],
        ReadyTimeout = Wait.Limit,
        ImagePath = folder.At("image"),
    };

    private static void AssertRestoreDies(bool asChild)
    {
        using Subject subject = Subject.Counting();
        CheckpointResult checkpoint = subject.Checkpoint();
        string script = subject.HangingScript("post-restore", out string marker);
        CracException failure;
        using (new Timer(
            _ =>
            {
                if (File.Exists(marker))
                {
                    Array.ForEach(Workers.OfThisProcess(), Kill);
                }
            }, null, 5, 5))
        {
            failure = Expect.Failure(CracReason.WorkerDied, () => subject.Restore(
                new() { CriuOption = new Dictionary<string, object?> { ["action-script"] = script } }, asChild));
        }

        Assert.Contains("signal 9", failure.Message);

        // A script of the user's is nobody's child any more once its criu was killed; that is not for PSCrac to find.
        Kill(int.Parse(File.ReadAllText(marker)));
        Assert.All(checkpoint.Image.ProcessIds, id => Assert.True(Subject.HasEnded(id), $"{id} runs"));
        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 3);
    }

    private static Process StartCheckpoint(Subject subject, out Task<string> errors)
    {
        string[] command = Helper.Command("checkpoint", $"{subject.ProcessId}", subject.ImagePath);
        Process helper = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        errors = helper.StandardError.ReadToEndAsync();
        return helper;
    }

    private static void KillWorkerOnceItWrites(Process helper, Subject subject) => Kill(WaitForWriting(helper, subject));

    private static int WaitForWriting(Process helper, Subject subject)
    {
        Wait.Until(
            () => Directory.EnumerateFiles(subject.Folder.FullPath, "pages-*.img", SearchOption.AllDirectories).Any(file => new FileInfo(file).Length > 0),
            () => $"no page was written: {(helper.HasExited ? helper.StandardOutput.ReadToEnd() : "")}");
        return Assert.Single(Workers.Of(helper.Id));
    }

    private static int[] Mappings(Subject subject) => [subject.Maps().Count(static c => c == '\n')];

    private static void Kill(int processId) => CriuProgram.Kill("-KILL", $"{processId}");
}
