using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.PidNamespaces;

public class PidNamespaceTests
{
    // Prints the names of the signals that it gets, and ends with 7 on SIGTERM.
    private const string Listener = """
        import signal, sys
        def told(number, frame):
            print(number, flush=True)
            if number == signal.SIGTERM:
                sys.exit(7)
        for each in (1, 2, 3, 10, 12, 14, 15, 28, 36, 64):
            signal.signal(each, told)
        print("ready", flush=True)
        while True:
            signal.pause()
        """;

    [CriuFact("python3")]
    public void A_taken_id_is_named_and_Auto_uses_a_new_namespace()
    {
        using Subject subject = Subject.Python(Listener, "ready");
        subject.Checkpoint(new() { LeaveRunning = true });

        CracException e = Assert.Throws<CracException>(() => subject.Restore());
        using NewNamespace beside = NewNamespace.Restore(subject.ImagePath, kind: CracPidNamespace.Auto);

        Assert.Equal(CracReason.PidInUse, e.Reason);
        Assert.Contains($"{subject.ProcessId}", e.Message);
        Assert.Contains("python3", e.Message);
        Assert.Contains("-PidNamespace Auto", e.RecommendedAction);
        Assert.False(Subject.HasEnded(subject.ProcessId));
        Assert.NotEqual(subject.ProcessId, beside.Process.Id);
        Assert.Equal(subject.ProcessId, beside.Process.ImageProcessId);
        Assert.Equal(subject.ProcessId, ProcessStatus.TryRead(beside.Process.Id)!.InnermostProcessId);
    }

    [Fact]
    public void No_advice_is_to_end_the_init_or_this_session()
    {
        Assert.Null(RestorePlacement.Describe(1).Remedy);
        Assert.Null(RestorePlacement.Describe(Environment.ProcessId).Remedy);
        using var other = TestProgram.Shell("echo ready; exec sleep 600");
        other.WaitForLine("ready");
        Assert.Equal($"end it with Stop-Process -Id {other.ProcessId}", RestorePlacement.Describe(other.ProcessId).Remedy);
    }

    [CriuFact("python3")]
    public void Auto_uses_free_ids_of_the_host()
    {
        using Subject subject = Subject.Python(Listener, "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = Restore.Run(new RestoreRequest { Image = CracImage.Open(subject.ImagePath), PidNamespace = CracPidNamespace.Auto });
        subject.Program.Remember();

        Assert.Equal(subject.ProcessId, restored.Id);
        Assert.Null(restored.NamespaceInitId);
    }

    [CriuFact("python3")]
    public void Two_restores_of_one_image_run_side_by_side()
    {
        using Subject subject = Subject.Python(Listener, "ready");
        subject.Checkpoint();

        using NewNamespace first = NewNamespace.Restore(subject.ImagePath);
        using NewNamespace second = NewNamespace.Restore(subject.ImagePath);
        NewNamespace.Signal(first.Process.Id, "KILL");

        Assert.True(first.WaitForExit());
        Assert.Equal((137, 9), (first.Process.ExitCode, first.Process.ExitSignal));
        Assert.Null(ProcessStatus.TryRead(first.InitId));
        Assert.False(Subject.HasEnded(second.Process.Id));
    }

    [CriuFact("python3")]
    public void Signals_to_the_init_reach_the_root_and_its_exit_code_comes_back()
    {
        using Subject subject = Subject.Python(Listener, "ready");
        subject.Checkpoint();
        using NewNamespace restored = NewNamespace.Restore(subject.ImagePath);

        foreach (string signal in (string[])["HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "WINCH", "36", "64", "TERM"])
        {
            NewNamespace.Signal(restored.InitId, signal);
            string number = signal switch { "HUP" => "1", "INT" => "2", "QUIT" => "3", "USR1" => "10", "USR2" => "12", "ALRM" => "14", "WINCH" => "28", "TERM" => "15", _ => signal };
            Wait.Until(() => subject.CountLines(number) == 1, () => $"SIG{signal} did not arrive");
        }

        Assert.True(restored.WaitForExit());
        Assert.Equal(7, restored.Process.ExitCode);
        Assert.Null(restored.Process.ExitSignal);
    }

    [CriuFact("python3")]
    public void Orphans_are_reaped_and_the_namespace_ends_with_the_root()
    {
        using Subject subject = Subject.Python("""
            import os, signal
            def orphan(lives):
                if os.fork() == 0:
                    if os.fork() == 0:
                        if lives:
                            os.setsid()
                            print("child", flush=True)
                            signal.pause()
                        os._exit(0)
                    os._exit(0)
                os.wait()
            signal.signal(signal.SIGUSR1, lambda *_: orphan(False))
            signal.signal(signal.SIGUSR2, lambda *_: orphan(True))
            print("ready", flush=True)
            while True:
                signal.pause()
            """, "ready");
        subject.Checkpoint();
        using NewNamespace restored = NewNamespace.Restore(subject.ImagePath);

        NewNamespace.Signal(restored.Process.Id, "USR2");
        Wait.Until(() => subject.CountLines("child") == 1, () => "no child");
        NewNamespace.Signal(restored.Process.Id, "USR1");
        ProcessTree Tree() => ProcessTree.Read(restored.InitId);
        Wait.Until(() => Tree().Members.Count == 3 && Tree().Members.All(member => !member.Status.HasEnded), () => $"{Tree().Members.Count} processes");
        IReadOnlyList<int> all = Tree().ProcessIds;
        NewNamespace.Signal(restored.Process.Id, "KILL");

        Assert.True(restored.WaitForExit());
        Assert.All(all, id => Assert.Null(ProcessStatus.TryRead(id)));
    }

    [CriuFact("python3")]
    public void A_tree_in_a_namespace_is_checkpointed_from_inside_again_and_again()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        string image = subject.ImagePath;

        for (int round = 0; round < 3; round++)
        {
            using NewNamespace restored = NewNamespace.Restore(image);
            subject.AssertCountsPast(subject.Count);
            image = subject.Folder.At($"again{round}");
            CheckpointResult result = Checkpoint.Run(new CheckpointRequest { ProcessId = restored.Process.Id, ImagePath = image, NoSync = true });

            Assert.Empty(result.LingeringProcessIds);
            Assert.Equal(subject.ProcessId, result.Image.RootProcessId);
            Assert.Equal(restored.Process.Id, result.Image.Manifest!.Process.HostPid);
            Assert.True(restored.WaitForExit());
            Assert.Equal(137, restored.Process.ExitCode);
        }

        using CracRestoredProcess home = Restore.Run(new RestoreRequest { Image = CracImage.Open(image), PidNamespace = CracPidNamespace.Host });
        subject.Program.Remember();
        Assert.Equal(subject.ProcessId, home.Id);
        subject.AssertCountsPast(subject.Count);
    }

    [CriuFact("python3")]
    public void An_image_of_a_tree_in_its_own_namespace_is_restored_into_a_new_one()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        using NewNamespace first = NewNamespace.Restore(subject.ImagePath);
        string again = subject.Folder.At("again");
        CracImage image = Checkpoint.Run(new CheckpointRequest { ProcessId = first.Process.Id, ImagePath = again, NoSync = true }).Image;
        Assert.True(first.WaitForExit());
        using var taker = new PidTaker(subject.ProcessId, asZombie: false);
        var plain = new RestoreRequest { Image = image };
        RestoreRequest host = plain with { PidNamespace = CracPidNamespace.Host };

        Assert.True(RestorePreflight.Examine(plain).CanRestore);
        Assert.Contains(RestorePreflight.Examine(host).Findings, static finding => finding.Reason == CracReason.PidInUse);
        Assert.Equal(CracReason.PidInUse, Assert.Throws<CracException>(() => Restore.Run(host)).Reason);
        using var second = NewNamespace.Of(Restore.Run(plain));
        Assert.NotEqual(subject.ProcessId, second.Process.Id);
        subject.AssertCountsPast(subject.Count);
    }

    [CriuFact("python3", "unshare")]
    public void A_tree_under_another_init_is_checkpointed_with_its_low_ids()
    {
        // Opened again inside: what was opened before the mount namespace was made, criu cannot find there.
        const string Inside = "exec </dev/null >>out 2>>err; setsid python3 -c \"import os; os.closerange(3, 1000)\n$0\"; :";
        using Subject subject = Subject.Of(["unshare", "-p", "-m", "-f", "--mount-proc", "sh", "-c", Inside, Subject.Counter], "1");
        int outer = ProcessTree.Read(subject.ProcessId).Members.Single(member => member.Status.InnermostProcessId == 2).ProcessId;

        CheckpointResult result = Checkpoint.Run(new CheckpointRequest { ProcessId = outer, ImagePath = subject.ImagePath, NoSync = true });
        using var restored = NewNamespace.Of(Restore.Run(new RestoreRequest { Image = result.Image }));

        Assert.Equal(2, result.Image.RootProcessId);
        Assert.Equal(2, restored.Process.ImageProcessId);
        subject.AssertCountsPast(subject.Count);
    }

    [CriuFact("python3")]
    public void A_checkpoint_that_leaves_a_tree_in_its_namespace_leaves_it_running()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        using NewNamespace restored = NewNamespace.Restore(subject.ImagePath);

        Checkpoint.Run(new CheckpointRequest { ProcessId = restored.Process.Id, ImagePath = subject.Folder.At("again"), Options = new() { LeaveRunning = true }, NoSync = true });

        subject.AssertCountsPast(subject.Count);
        Assert.Null(restored.Process.ExitCode);
    }

    [CriuFact("python3")]
    public void A_failed_restore_leaves_no_namespace()
    {
        using Subject subject = Subject.Python("import time; f = open('gone', 'w'); print('ready', flush=True); time.sleep(1000)", "ready");
        subject.Checkpoint();
        File.Delete(Path.Combine(subject.Program.Folder, "gone"));
        using var own = new OwnInits();

        CracException e = Assert.Throws<CracException>(() => NewNamespace.Restore(subject.ImagePath));

        Assert.Equal(CracReason.FileMissing, e.Reason);
        own.AssertNoneNew();
    }

    [CriuFact("python3")]
    public void A_cancelled_restore_leaves_no_namespace()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        using var own = new OwnInits();
        using var cancel = new CancellationTokenSource();
        var request = new RestoreRequest { Image = CracImage.Open(subject.ImagePath), PidNamespace = CracPidNamespace.New };

        Assert.ThrowsAny<OperationCanceledException>(() => Restore.Run(request, new CancelAt(CracPhase.Restoring, cancel), cancel.Token));

        own.AssertNoneNew();
    }

    private sealed class CancelAt(CracPhase phase, CancellationTokenSource cancel) : IProgress<CracProgress>
    {
        public void Report(CracProgress value)
        {
            if (value.Phase == phase)
            {
                cancel.Cancel();
            }
        }
    }

    // Tests of other classes have inits of their own meanwhile, so only children that were not there before count, and
    // only if they stay.
    private sealed class OwnInits : IDisposable
    {
        private readonly HashSet<ProcessIdentity> _before = Find();

        internal void AssertNoneNew() => Wait.Until(() => Find().IsSubsetOf(_before), () => "an init is left");

        public void Dispose()
        {
        }

        private static HashSet<ProcessIdentity> Find() =>
            [.. ProcessTree.Read(Environment.ProcessId).Members.Select(member => member.Status).Where(status => status.CommandName == "pscrac-init").Select(status => status.Identity)];
    }
}
