using System.Diagnostics;
using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Operations;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Paging;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Criu;
using PSCrac.Tests.Moving;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

[Collection(AloneCollection.Name)]
public class LazyPagesTests
{
    private const int Megabytes = 200;

    // Says "ready", and whenever it is asked, whether all of its memory is what it was.
    private const string Big = """
        import hashlib, os, signal
        big = bytearray(os.urandom(1 << 20) * 200)
        for i in range(0, len(big), 1 << 20):
            big[i:i + 4] = i.to_bytes(4, "little")
        told = hashlib.sha256(big).hexdigest()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        print("ready", flush=True)
        while True:
            # In sleep() a signal that comes just before it is seen only after it.
            signal.sigwait([signal.SIGUSR1])
            print("good" if hashlib.sha256(big).hexdigest() == told else "bad", flush=True)
        """;

    [CriuFact("python3")]
    public void A_tree_runs_before_its_memory_is_there_and_gets_all_of_it()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true });

        Assert.NotNull(restored.LazyPages);
        subject.Signal("USR1");
        Wait.Until(() => subject.LastLine() == "good", () => $"it said {subject.LastLine()}; {subject.Program.ReadErrors()}");
        Assert.True(restored.LazyPages.WaitForAll(Wait.Limit));
        Assert.Equal(CracLazyPagesState.Completed, restored.LazyPages.State);
        Assert.True(restored.LazyPages.TransferTime > TimeSpan.Zero);
        Assert.Null(ProcessStatus.TryRead(restored.LazyPages.DaemonId));
        Assert.True(ProcessStatus.TryRead(restored.Id)!.ResidentBytes > (long)Megabytes << 20);
    }

    [CriuFact("python3")]
    public void Pages_come_although_nobody_touches_them_and_then_a_fork_goes_through()
    {
        using Subject subject = Subject.Python(
            """
            import os, signal
            big = bytearray(b"\x5a") * (200 << 20)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            print("ready", flush=True)
            while True:
                signal.sigwait([signal.SIGUSR1])
                pid = os.fork()
                if pid == 0:
                    os._exit(7 if big.count(b"\x5a") == len(big) else 8)
                print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
            """,
            "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true });

        Assert.True(restored.LazyPages!.WaitForAll(Wait.Limit));
        subject.Signal("USR1");
        Wait.Until(() => subject.LastLine() == "7", () => $"it said {subject.LastLine()}; {subject.Program.ReadErrors()}");
    }

    [CriuFact("python3")]
    public void Without_the_option_there_is_no_daemon()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore();

        Assert.Null(restored.LazyPages);
    }

    [CriuFact("python3")]
    public void A_tree_that_has_lost_its_page_daemon_is_ended()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true }, progress: new DaemonStopper());
        Assert.Equal(CracLazyPagesState.InProgress, restored.LazyPages!.State);
        LinuxKill(restored.LazyPages.DaemonId, "KILL");

        Assert.True(restored.WaitForExit(Wait.Limit));
        Assert.False(restored.LazyPages.WaitForAll(Wait.Limit));
        Assert.Equal(CracLazyPagesState.Failed, restored.LazyPages.State);
        Assert.Null(restored.LazyPages.TransferTime);
    }

    [CriuFact("python3")]
    public void A_task_whose_pages_are_in_lives_on_while_those_of_another_still_come()
    {
        // Giving back memory is told to the page daemon for as long as the task is registered with it.
        using Subject subject = Subject.Python(
            """
            import mmap, os, time
            if os.fork() == 0:
                parts = [mmap.mmap(-1, 1 << 16, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) for _ in range(200)]
                for part in parts:
                    part[:] = b"\x5a" * (1 << 16)
                open("small", "w").close()
                while not os.path.exists("go"):
                    time.sleep(0.001)
                while parts:
                    parts.pop().close()
                    time.sleep(0.002)
                print("gave back", flush=True)
                time.sleep(60)
            big = bytearray(b"\x5a") * (400 << 20)
            while not os.path.exists("small"):
                time.sleep(0.001)
            print("ready", flush=True)
            time.sleep(60)
            """,
            "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true });
        File.WriteAllText(Path.Combine(subject.Program.Folder, "go"), "");

        subject.Program.WaitForLine("gave back");
        Assert.True(restored.LazyPages!.WaitForAll(Wait.Limit));
    }

    [CriuFact("python3")]
    public void A_tree_of_several_is_ended_as_a_whole()
    {
        using Subject subject = Subject.Python(
            """
            import os, time
            big = bytearray(b"\x5a") * (100 << 20)
            for _ in range(2):
                if os.fork() == 0:
                    os.setsid()
                    while True:
                        time.sleep(60)
            print("ready", flush=True)
            while True:
                time.sleep(60)
            """,
            "ready");
        int[] all = [.. ProcessTree.Read(subject.ProcessId).Members.Select(static member => member.ProcessId)];
        Assert.Equal(3, all.Length);
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true }, progress: new DaemonStopper());
        LinuxKill(restored.LazyPages!.DaemonId, "KILL");

        Wait.Until(() => all.All(Subject.HasEnded), () => "some of the tree still run");
    }

    [CriuFact("python3")]
    public void The_daemon_ends_with_the_tree()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true }, progress: new DaemonStopper());
        subject.Signal("KILL");
        LinuxKill(restored.LazyPages!.DaemonId, "CONT");

        Wait.Until(() => restored.LazyPages.State != CracLazyPagesState.InProgress, () => "the page daemon stays");
        Assert.Null(ProcessStatus.TryRead(restored.LazyPages.DaemonId));
    }

    [CriuFact("python3")]
    public void A_restore_that_fails_leaves_no_daemon()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint(new() { LeaveRunning = true });

        Expect.Failure(CracReason.PidInUse, () => subject.Restore(new() { LazyPages = true }, pidTimeout: TimeSpan.Zero));

        Assert.Empty(Daemons());
    }

    [CriuFact("python3")]
    public void A_restore_that_criu_gives_up_leaves_no_daemon()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint();
        File.Delete(subject.Program.OutputPath);

        Assert.Throws<CracException>(() => subject.Restore(new() { LazyPages = true }));

        Assert.Empty(Daemons());
    }

    [CriuFact("python3")]
    public void A_daemon_lost_in_mid_restore_fails_the_restore()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint();
        string script = subject.HangingScript("post-restore", out string marker);
        var options = new RestoreOptions { LazyPages = true, CriuOption = new Dictionary<string, object?> { ["action-script"] = script } };

        Task<CracRestoredProcess> restore = Task.Run(() => subject.Restore(options));
        Wait.Until(() => File.Exists(marker), () => "criu did not get to its script");
        LinuxKill(Assert.Single(Children("pscrac-pages")), "KILL");
        LinuxKill(int.Parse(File.ReadAllText(marker)), "KILL");

        Assert.Throws<CracException>(() => restore.GetAwaiter().GetResult());
        Assert.True(Subject.HasEnded(subject.ProcessId));
    }

    [CriuTheory("python3")]
    [InlineData(CracPidNamespace.Host)]
    [InlineData(CracPidNamespace.New)]
    public void A_thread_that_waits_for_a_page_of_a_lost_daemon_reads_no_zeros(CracPidNamespace place)
    {
        for (int round = 0; round < 3; round++)
        {
            using var program = new CheckingProgram(2 * Megabytes);
            using var folder = new TemporaryFolder();
            Checkpoint.Run(new CheckpointRequest { ProcessId = program.ProcessId, ImagePath = folder.At("image"), NoSync = true });
            program.RequireSoundSoFar();

            using CracRestoredProcess restored = Restore.Run(
                new RestoreRequest { Image = CracImage.Open(folder.At("image")), Options = new() { LazyPages = true }, PidNamespace = place }, new DaemonStopper());
            Assert.Equal(CracLazyPagesState.InProgress, restored.LazyPages!.State);
            Wait.Until(() => WaitsFor(restored.Id).Contains("userfault", StringComparison.Ordinal), () => $"it waits for {WaitsFor(restored.Id)}");
            LinuxKill(restored.LazyPages.DaemonId, "KILL");

            Assert.True(restored.WaitForExit(Wait.Limit));
            Wait.Until(() => program.Find().Count == 0, () => "it still runs");
            program.RequireSoundSoFar();
        }
    }

    [CriuFact("python3")]
    public void A_lost_daemon_ends_the_tree_without_a_session_too()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint();
        string[] command = Helper.Command("restore", subject.ImagePath, "Lazy", "Waiting");
        using Process session = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        ReadTo("phase Resuming");
        int daemon = Assert.Single(Children("pscrac-pages", session.Id));
        LinuxKill(daemon, "STOP");
        session.StandardInput.WriteLine();
        ReadTo("restored");
        subject.Program.Remember();
        session.Kill();
        session.WaitForExit();
        Assert.Equal(ProcessState.Stopped, ProcessStatus.TryRead(daemon)!.State);
        subject.Signal("USR1");
        Wait.Until(() => WaitsFor(subject.ProcessId).Contains("userfault", StringComparison.Ordinal), () => $"it waits for {WaitsFor(subject.ProcessId)}");
        LinuxKill(daemon, "KILL");

        Wait.Until(() => Subject.HasEnded(subject.ProcessId), () => "it still runs");
        Assert.Equal("ready", subject.LastLine());

        void ReadTo(string start)
        {
            string? line;
            do
            {
                line = session.StandardOutput.ReadLine();
                Assert.NotNull(line);
            }
            while (!line.StartsWith(start, StringComparison.Ordinal));
        }
    }

    [CriuFact("python3")]
    public void The_image_may_go_as_soon_as_the_tree_runs()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true }, progress: new DaemonStopper());
        Assert.Equal(CracLazyPagesState.InProgress, restored.LazyPages!.State);
        ImageRemoval.Remove(CracImage.Open(subject.ImagePath), force: true);
        LinuxKill(restored.LazyPages.DaemonId, "CONT");

        Assert.True(restored.LazyPages.WaitForAll(Wait.Limit));
        subject.Signal("USR1");
        Wait.Until(() => subject.LastLine() == "good", () => $"it said {subject.LastLine()}; {subject.Program.ReadErrors()}");
    }

    [CriuFact("python3")]
    public void Without_its_guard_the_daemon_goes_on()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true });
        foreach (int guard in Children("pscrac-guard"))
        {
            LinuxKill(guard, "KILL");
        }

        subject.Signal("USR1");
        Wait.Until(() => subject.LastLine() == "good", () => $"it said {subject.LastLine()}; {subject.Program.ReadErrors()}");
        Assert.True(restored.LazyPages!.WaitForAll(Wait.Limit));
        Assert.Equal(CracLazyPagesState.Completed, restored.LazyPages.State);
    }

    [CriuFact("python3")]
    public void Neither_the_daemon_nor_its_guard_takes_a_pid_of_the_tree()
    {
        for (int round = 0; round < 10; round++)
        {
            using PageServer first = PageServer.Start([]);
            int next = first.Identity.ProcessId + 1;

            using PageServer server = PageServer.Start([.. Enumerable.Range(next, 100)]);

            Assert.False(server.Identity.ProcessId >= next && server.Identity.ProcessId < next + 100, $"{server.Identity.ProcessId}, from {next} on");
        }
    }

    [CriuFact("python3")]
    [Reaches("lazy reservation")]
    public void A_reservation_beyond_all_memory_stands_in_the_way_of_a_lazy_restore_alone()
    {
        // As .NET reserves room for its heap: 4 TiB that nobody may touch, without MAP_NORESERVE.
        using Subject subject = Subject.Python(
            """
            import ctypes, itertools, time
            libc = ctypes.CDLL(None)
            libc.mmap.restype = ctypes.c_void_p
            assert libc.mmap(None, ctypes.c_size_t(4 << 40), 0, 0x22, -1, ctypes.c_long(0)) != ctypes.c_void_p(-1).value
            for n in itertools.count(1):
                print(n, flush=True)
                time.sleep(0.02)
            """);
        subject.Checkpoint();
        var request = new RestoreRequest { Image = CracImage.Open(subject.ImagePath), Options = new() { LazyPages = true } };

        if (CriuInstallation.Locate().GetVersion() >= new Version(4, 3))
        {
            using CracRestoredProcess lazy = Restore.Run(request);
            subject.AssertCountsPast(subject.Count + 3);
            return;
        }

        CracException foretold = Expect.Failure(CracReason.ResourceUnsupported, () => Restore.Run(request));
        CracException failed = Expect.Failure(CracReason.ResourceUnsupported, () => Restore.Run(request with { SkipPreflight = true }));
        using CracRestoredProcess restored = subject.Restore();

        Assert.Contains("4096 GiB", foretold.Message);
        Assert.Null(foretold.LogPath);
        Assert.NotEmpty(failed.CriuLines);
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void A_tree_in_a_namespace_of_its_own_comes_lazily_too()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = Restore.Run(
            new RestoreRequest { Image = CracImage.Open(subject.ImagePath), Options = new() { LazyPages = true }, PidNamespace = CracPidNamespace.New });
        try
        {
            LinuxKill(restored.Id, "USR1");
            Wait.Until(() => subject.LastLine() == "good", () => $"it said {subject.LastLine()}; {subject.Program.ReadErrors()}");
            Assert.True(restored.LazyPages!.WaitForAll(Wait.Limit));
        }
        finally
        {
            LinuxKill(restored.Id, "KILL");
            restored.WaitForExit(Wait.Limit);
        }
    }

    // Before the tree runs: afterwards, all pages could come first.
    private sealed class DaemonStopper : IProgress<CracProgress>
    {
        public void Report(CracProgress value)
        {
            if (value.Phase == CracPhase.Resuming)
            {
                LinuxKill(Assert.Single(Children("pscrac-pages")), "STOP");
            }
        }
    }

    private static void LinuxKill(int processId, string signal) => Assert.Equal(Errno.None, LibC.Kill(processId, signal switch
    {
        "STOP" => 19,
        "CONT" => 18,
        "USR1" => 10,
        _ => LibC.SIGKILL,
    }));

    private static string WaitsFor(int processId) => File.ReadAllText($"/proc/{processId}/wchan");

    // With what has only just been started.
    private static int[] Daemons() => Children(null);

    private static int[] Children(string? name, int? parent = null) =>
        [.. ProcessTree.Read(parent ?? Environment.ProcessId).Members
            .Where(member => member.Status.ParentProcessId == (parent ?? Environment.ProcessId) && !member.Status.HasEnded && (name is null ? IsDaemon(member.ProcessId) : member.Status.CommandName == name))
            .Select(static member => member.ProcessId)];

    private static bool IsDaemon(int processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/cmdline").Split('\0').Contains("--pages");
        }
        catch (IOException)
        {
            return false;
        }
    }
}
