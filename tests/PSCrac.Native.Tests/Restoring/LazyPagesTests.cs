using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Criu;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

[Collection(AloneCollection.Name)]
public class LazyPagesTests
{
    private const int Megabytes = 200;

    // Says "ready", and whenever it is asked, whether all of its memory is what it was.
    private const string Big = """
        import hashlib, os, signal, time
        big = bytearray(os.urandom(1 << 20) * 200)
        for i in range(0, len(big), 1 << 20):
            big[i:i + 4] = i.to_bytes(4, "little")
        told = hashlib.sha256(big).hexdigest()
        def ask(*_):
            print("good" if hashlib.sha256(big).hexdigest() == told else "bad", flush=True)
        signal.signal(signal.SIGUSR1, ask)
        print("ready", flush=True)
        while True:
            time.sleep(60)
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
            import os, signal, time
            big = bytearray(b"\x5a") * (200 << 20)
            def ask(*_):
                pid = os.fork()
                if pid == 0:
                    os._exit(7 if big.count(b"\x5a") == len(big) else 8)
                print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
            signal.signal(signal.SIGUSR1, ask)
            print("ready", flush=True)
            while True:
                time.sleep(60)
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

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true });
        LinuxKill(restored.LazyPages!.DaemonId, "STOP");
        Assert.Equal(CracLazyPagesState.InProgress, restored.LazyPages.State);
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

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true });
        LinuxKill(restored.LazyPages!.DaemonId, "STOP");
        LinuxKill(restored.LazyPages.DaemonId, "KILL");

        Wait.Until(() => all.All(Subject.HasEnded), () => "some of the tree still run");
    }

    [CriuFact("python3")]
    public void The_daemon_ends_with_the_tree()
    {
        using Subject subject = Subject.Python(Big, "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(new() { LazyPages = true });
        LinuxKill(restored.LazyPages!.DaemonId, "STOP");
        subject.Signal("KILL");
        LinuxKill(restored.LazyPages.DaemonId, "CONT");

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
        LinuxKill(Assert.Single(Daemons()), "KILL");
        LinuxKill(int.Parse(File.ReadAllText(marker)), "KILL");

        Assert.Throws<CracException>(() => restore.GetAwaiter().GetResult());
        Assert.True(Subject.HasEnded(subject.ProcessId));
    }

    [CriuFact("python3")]
    public void What_a_killed_daemon_had_started_ends_with_it()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        string started = subject.Folder.At("started");

        // A criu that is killed while it probes the kernel leaves a child, which keeps the daemon's descriptors open.
        using var criu = new ChangedCriu($"""
            *" lazy-pages "*)
                sleep 1000 &
                echo $! > {started}
                kill -s KILL $$
            """);
        Expect.Failure(
            CracReason.KernelFeatureMissing,
            () => Restore.Run(new RestoreRequest { Image = CracImage.Open(subject.ImagePath), Options = new() { LazyPages = true }, CriuPath = criu.Path }));

        Wait.Until(() => Subject.HasEnded(int.Parse(File.ReadAllText(started))), () => "it still runs");
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

    private static void LinuxKill(int processId, string signal) =>
        Assert.Equal(0, CriuProgram.Kill("-" + signal, $"{processId}").ExitCode);

    private static int[] Daemons() =>
        [.. ProcessTree.Read(Environment.ProcessId).Members
            .Where(static member => member.Status.ParentProcessId == Environment.ProcessId && !member.Status.HasEnded && IsDaemon(member.ProcessId))
            .Select(static member => member.ProcessId)];

    private static bool IsDaemon(int processId)
    {
        try
        {
            return File.ReadAllText($"/proc/{processId}/cmdline").Split('\0').Contains("lazy-pages");
        }
        catch (IOException)
        {
            return false;
        }
    }
}
