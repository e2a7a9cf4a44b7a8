using System.Net.Sockets;
using PSCrac.Checkpointing;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Checkpointing;

public class RoundTripTests
{
    [CriuFact("bash")]
    public void A_shell_loop_goes_on_counting()
    {
        using Subject subject = Subject.Of(["bash", "-c", "n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done"], "1");

        AssertGoesOn(subject);
    }

    [CriuFact("python3")]
    public void A_python_program_goes_on_counting()
    {
        using Subject subject = Subject.Counting();

        AssertGoesOn(subject);
    }

    [CriuFact("node")]
    public void A_node_program_goes_on_counting()
    {
        using Subject subject = Subject.Of(["node", "-e", "let n = 0; setInterval(() => console.log(++n), 20)"], "1");

        AssertGoesOn(subject);
    }

    [CriuFact]
    public void A_dotnet_program_goes_on_counting()
    {
        using Subject subject = Subject.Of(Helper.Command("count"), "1");

        AssertGoesOn(subject);
    }

    [CriuFact("python3")]
    public void A_tree_of_three_levels_comes_back_with_its_ids_and_parents()
    {
        using Subject subject = Subject.Python("""
            import os, signal
            for level in range(2):
                if os.fork():
                    break
            print("ready", flush=True)
            signal.sigwait([signal.SIGTERM])
            """, "ready");
        Wait.Until(() => Parents(subject.ProcessId).Count == 3, () => $"the tree has {Parents(subject.ProcessId).Count} processes");
        var before = Parents(subject.ProcessId);
        Assert.Equal(3, before.Count);

        CheckpointResult result = subject.Checkpoint();
        Assert.Equal(3, result.Image.ProcessCount);
        Assert.All(before, each => Assert.True(Subject.HasEnded(each.Id)));
        using CracRestoredProcess restored = subject.Restore();

        Assert.Equal(3, restored.ProcessCount);
        Assert.Equal(before, Parents(subject.ProcessId));
    }

    [CriuFact("python3")]
    public void Files_pipes_and_a_listening_socket_come_back_as_they_were()
    {
        using Subject subject = Subject.Python("""
            import os, socket
            f = open("data", "w+b"); f.write(b"0123456789"); f.flush(); f.seek(4)
            r, w = os.pipe(); os.write(w, b"in the pipe")
            s = socket.create_server(("127.0.0.1", 0))
            print("ready", s.getsockname()[1], flush=True)
            while True:
                c, _ = s.accept()
                c.sendall(f.read(3) + b" " + os.read(r, 100))
                c.close()
            """, "ready");
        int port = int.Parse(subject.Program.WaitForLine("ready").Split(' ')[1]);

        subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();

        using var client = new TcpClient("127.0.0.1", port);
        Assert.Equal("456 in the pipe", new StreamReader(client.GetStream()).ReadToEnd());
    }

    [CriuFact("python3")]
    public void A_process_left_running_goes_on_and_its_image_restores_when_it_is_gone()
    {
        // Nothing is written by the program itself here: criu checks that files have not grown.
        using Subject subject = Subject.Python("import signal\nprint('ready', flush=True)\nsignal.pause()", "ready");

        CheckpointResult result = subject.Checkpoint(new() { LeaveRunning = true });

        Assert.True(result.Image.Manifest!.LeaveRunning);
        Assert.False(Subject.HasEnded(subject.ProcessId));
        for (int round = 0; round < 2; round++)
        {
            subject.End();
            using CracRestoredProcess restored = subject.Restore();
            Assert.Equal(subject.ProcessId, restored.Id);
            Assert.False(Subject.HasEnded(restored.Id));
        }
    }

    [CriuFact("python3")]
    public void Plain_criu_restores_our_image()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        int last = subject.Count;

        (int code, string error) = CriuProgram.Run("restore", "-D", subject.ImagePath, "-d", "-o", subject.Folder.At("restore.log"));

        Assert.True(code == 0, error);
        subject.Program.Remember();
        subject.AssertCountsPast(last + 3);
    }

    [CriuFact("python3")]
    public void An_image_of_plain_criu_is_restored()
    {
        using Subject subject = Subject.Counting();
        subject.DumpWithCriu();
        int last = subject.Count;

        using CracRestoredProcess restored = subject.Restore();

        subject.AssertCountsPast(last + 3);
    }

    [CriuFact("python3")]
    public void Eight_checkpoints_and_restores_run_side_by_side()
    {
        Subject[] subjects = [.. Enumerable.Range(0, 8).Select(_ => Subject.Counting())];
        try
        {
            int[] last = new int[subjects.Length];
            RunTogether(subjects.Length, i =>
            {
                subjects[i].Checkpoint();
                last[i] = subjects[i].Count;
            });
            RunTogether(subjects.Length, i => subjects[i].Restore().Dispose());

            for (int i = 0; i < subjects.Length; i++)
            {
                subjects[i].AssertCountsPast(last[i] + 3);
            }
        }
        finally
        {
            Array.ForEach(subjects, static subject => subject.Dispose());
        }
    }

    [CriuFact("python3")]
    public void A_restored_child_gives_its_exit_code()
    {
        using Subject subject = Subject.Python("""
            import signal, sys
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
            print("ready", flush=True)
            while True: signal.pause()
            """, "ready");
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(asChild: true);
        Assert.False(restored.WaitForExit(TimeSpan.Zero));
        Assert.Null(restored.ExitCode);
        subject.Signal("TERM");

        Assert.True(restored.WaitForExit(Wait.Limit));
        Assert.Equal(7, restored.ExitCode);
        Assert.Null(restored.ExitSignal);
    }

    [CriuFact("python3")]
    public void A_restored_child_gives_the_signal_that_ended_it()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore(asChild: true);
        subject.Signal("KILL");

        Assert.True(restored.WaitForExit(Wait.Limit));
        Assert.Equal(9, restored.ExitSignal);
        Assert.Equal(128 + 9, restored.ExitCode);
        Assert.True(restored.WaitForExit(TimeSpan.Zero));
    }

    [CriuFact("python3")]
    public void A_restored_child_that_was_let_go_leaves_no_zombie()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();

        CracRestoredProcess restored = subject.Restore(asChild: true);
        restored.Dispose();
        restored.Dispose();
        subject.Signal("KILL");

        Wait.Until(() => ProcessStatus.TryRead(restored.Id) is null, () => "the zombie keeps its pid");
    }

    [CriuFact("python3")]
    public void A_restored_process_that_init_took_can_be_waited_for()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore();
        Assert.Throws<OperationCanceledException>(() => restored.WaitForExit(Timeout.InfiniteTimeSpan, new CancellationToken(canceled: true)));
        subject.Signal("KILL");

        Assert.True(restored.WaitForExit(Wait.Limit));
        Assert.Null(restored.ExitCode);
    }

    private static void AssertGoesOn(Subject subject)
    {
        CheckpointResult result = subject.Checkpoint();
        Assert.True(Subject.HasEnded(subject.ProcessId));
        Assert.Empty(result.LingeringProcessIds);
        int last = subject.Count;

        using CracRestoredProcess restored = subject.Restore();

        Assert.Equal(subject.ProcessId, restored.Id);
        subject.AssertCountsPast(last + 3);
    }

    private static List<(int Id, int Parent)> Parents(int root) =>
        [.. ProcessTree.Read(root).Members.Select(member => (member.ProcessId, member.ProcessId == root ? 0 : member.Status.ParentProcessId))];

    // Threads of their own, all let go at once: the pool would start them one by one.
    private static void RunTogether(int count, Action<int> action)
    {
        using var start = new Barrier(count);
        var failures = new List<Exception>();
        Thread[] threads = [.. Enumerable.Range(0, count).Select(i => new Thread(() =>
        {
            try
            {
                start.SignalAndWait();
                action(i);
            }
            catch (Exception e)
            {
                lock (failures)
                {
                    failures.Add(e);
                }
            }
        }))];
        Array.ForEach(threads, static thread => thread.Start());
        Array.ForEach(threads, static thread => thread.Join());
        Assert.Empty(failures);
    }
}
