using System.Diagnostics;
using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Procfs;
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
        int left = subject.Maps().Split('\n').Count(static line => line.Contains("memfd:CRIUMFD", StringComparison.Ordinal));
        Assert.Contains(left == 0 ? "continues, unharmed" : $"left in {subject.ProcessId} (python3) ({left})", failure.Message);
        subject.AssertUnharmed();
        subject.AssertCountsPast(subject.Count + 3);

        // What an earlier criu has left is not told again, and does not stop the next one.
        failure = Expect.Failure(
            CracReason.WorkerDied,
            () => subject.Checkpoint(progress: Expect.At(CracPhase.Preparing, () => Array.ForEach(Workers.Await(), Kill))));
        Assert.Contains("The process continues, unharmed.", failure.Message);
        subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_process_that_ends_with_a_killed_worker_is_told(bool isChild)
    {
        using Subject subject = Subject.Python($"import os\nif os.fork() == 0:\n    import signal\n    signal.pause()\n{Big}");
        int child = 0;
        Wait.Until(() => (child = ProcessTree.Read(subject.ProcessId).ProcessIds[^1]) != subject.ProcessId, () => "it has no child");
        int killed = isChild ? child : subject.ProcessId;

        CracException failure = Expect.Failure(CracReason.WorkerDied, () => subject.Checkpoint(progress: Expect.AtFirstPages(() =>
        {
            int worker = StopWorker();
            Kill(killed);
            Kill(worker);
        })));

        Assert.Contains($"Of the processes, {killed} (python3) has ended", failure.Message);
        Assert.Contains("the others continue", failure.Message);
        Assert.Contains("Start the program again", failure.RecommendedAction);
        Kill(child);
        Kill(subject.ProcessId);
    }

    [CriuFact("python3")]
    public void A_tree_that_has_ended_with_a_killed_worker_is_told()
    {
        using Subject subject = Subject.Python(Big);

        CracException failure = Expect.Failure(CracReason.WorkerDied, () => subject.Checkpoint(progress: Expect.AtFirstPages(() =>
        {
            int worker = StopWorker();
            Kill(subject.ProcessId);
            Kill(worker);
        })));

        Assert.Contains("The process has ended", failure.Message);
        Assert.DoesNotContain("continue", failure.Message);
    }

    [CriuFact("python3")]
    public void A_process_that_is_killed_in_mid_dump_is_told_as_that()
    {
        using Subject subject = Subject.Python(Big);

        CracException failure = Expect.Failure(
            CracReason.ProcessGone, () => subject.Checkpoint(progress: Expect.AtFirstPages(() => Kill(subject.ProcessId))));

        Assert.Contains($"Process {subject.ProcessId} (python3) ended while criu had it stopped", failure.Message);
        Assert.NotEmpty(failure.CriuLines);
    }

    [CriuFact("python3")]
    public void A_process_that_was_stopped_stays_stopped_after_a_killed_worker()
    {
        using Subject subject = Subject.Python(Big);
        subject.Signal("STOP");
        Wait.Until(() => StateOf(subject) == ProcessState.Stopped, () => $"{StateOf(subject)}");

        Expect.Failure(CracReason.WorkerDied, () => subject.Checkpoint(progress: Expect.AtFirstPages(() => Array.ForEach(Workers.OfThisProcess(), Kill))));

        Wait.Until(() => StateOf(subject) == ProcessState.Stopped, () => $"{StateOf(subject)}");
        subject.Signal("CONT");
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3", "/sys/fs/cgroup/freezer/cgroup.procs")]
    public void A_cgroup_that_a_killed_worker_froze_is_thawed()
    {
        const string Controller = "/sys/fs/cgroup/freezer";
        string cgroup = Path.Combine(Controller, $"pscrac-test-{Environment.ProcessId}");
        using Subject subject = Subject.Python(Big);
        Directory.CreateDirectory(cgroup);
        try
        {
            File.WriteAllText(Path.Combine(cgroup, "cgroup.procs"), $"{subject.ProcessId}");
            Expect.Failure(CracReason.WorkerDied, () => subject.Checkpoint(
                new() { CriuOption = new Dictionary<string, object?> { ["freeze-cgroup"] = cgroup } },
                progress: Expect.AtFirstPages(() => Array.ForEach(Workers.OfThisProcess(), Kill))));

            Assert.Equal("THAWED", File.ReadAllText(Path.Combine(cgroup, "freezer.state")).Trim());
            subject.AssertCountsPast(subject.Count + 3);
        }
        finally
        {
            File.WriteAllText(Path.Combine(cgroup, "freezer.state"), "THAWED");
            File.WriteAllText(Path.Combine(Controller, "cgroup.procs"), $"{subject.ProcessId}");
            Directory.Delete(cgroup);
        }
    }

    [CriuTheory]
    [InlineData("exec sleep 600")]
    [InlineData("setsid sleep 600 & setsid sh -c 'sleep 600' ; sleep 600")]
    public void What_a_killed_worker_of_a_dump_has_started_ends_with_it(string hang)
    {
        using Subject subject = Subject.Counting();
        string script = subject.HangingScript("post-dump", out string marker, hang);
        List<ProcessIdentity> below = [];
        using (new Timer(_ =>
        {
            if (File.Exists(marker) && below.Count == 0 && Workers.OfThisProcess() is [var worker]
                && ProcessTree.Read(worker).Members is { Count: > 1 } members && members.Count >= (hang.StartsWith("exec", StringComparison.Ordinal) ? 2 : 4))
            {
                below.AddRange(members.Skip(1).Select(static member => member.Status.Identity));
                Kill(worker);
            }
        }, null, 5, 5))
        {
            Expect.Failure(CracReason.WorkerDied, () => subject.Checkpoint(new() { CriuOption = new Dictionary<string, object?> { ["action-script"] = script } }));
        }

        Assert.NotEmpty(below);
        Wait.Until(() => below.TrueForAll(static each => !each.IsRunning()), () => "it lives on");
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
        // A small program: it is started twice, checkpointed twice and restored within the time limit of a busy machine.
        using var folder = new TemporaryFolder();
        StartRequest request = ToStart(folder) with { OrRestore = true, Arguments = ["-c", Subject.Counter] };
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

        int hanging = int.Parse(File.ReadAllText(marker));
        Wait.Until(() => Subject.HasEnded(hanging), () => "the script lives on");
        Assert.Contains("were killed", failure.Message);
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

    private static ProcessState StateOf(Subject subject) => ProcessStatus.TryRead(subject.ProcessId)!.State;

    private static int[] Mappings(Subject subject) => [subject.Maps().Count(static c => c == '\n')];

    // A worker that is stopped does not notice the end of a process before its own.
    private static int StopWorker()
    {
        int worker = Assert.Single(Workers.OfThisProcess());
        CriuProgram.Kill("-STOP", $"{worker}");
        Wait.Until(() => ProcessStatus.TryRead(worker)?.State == ProcessState.Stopped, () => $"{ProcessStatus.TryRead(worker)?.State}");
        return worker;
    }

    private static void Kill(int processId) => CriuProgram.Kill("-KILL", $"{processId}");
}
