using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>A root that gets a signal when its parent ends, and a tree that ends as soon as it runs.</summary>
public class ParentDeathTests
{
    private const string Prelude = """
        import ctypes, os, signal, sys, threading, time
        libc = ctypes.CDLL(None)
        def own():
            value = ctypes.c_int()
            libc.prctl(2, ctypes.byref(value))
            return value.value
        def tell():
            n = 0
            while True:
                n += 1
                print(n, own(), flush=True)
                time.sleep(0.02)

        """;

    private const string OfProcess = Prelude + "libc.prctl(1, signal.SIGTERM)\ntell()\n";

    private const string OfThread = Prelude + """
        def thread():
            libc.prctl(1, signal.SIGKILL)
            tell()
        threading.Thread(target=thread, daemon=True).start()
        time.sleep(600)
        """;

    private const string OfChild = Prelude + """
        parent = os.getpid()
        if os.fork() == 0:
            libc.prctl(1, signal.SIGKILL)
            tell()
        time.sleep(600)
        """;

    [CriuTheory("python3")]
    [InlineData(OfProcess, 15)]
    [InlineData(OfThread, 9)]
    public void It_is_said_at_the_checkpoint_and_refused_where_the_parent_ends(string program, int signal)
    {
        using Subject subject = Subject.Python(program);

        CheckpointResult checkpoint = subject.Checkpoint();
        string warning = Assert.Single(checkpoint.Warnings);
        Assert.Contains($"signal {signal} ", warning, StringComparison.Ordinal);
        Assert.Contains("-Wait", warning, StringComparison.Ordinal);
        Assert.Contains(warning, CracImage.Open(subject.ImagePath).Manifest!.Warnings);

        CracException refused = Expect.Failure(CracReason.ResourceUnsupported, () => subject.Restore());
        Assert.Contains("-Wait", refused.RecommendedAction, StringComparison.Ordinal);
        Assert.Contains("-PidNamespace New", refused.RecommendedAction, StringComparison.Ordinal);
    }

    [CriuTheory("python3")]
    [InlineData(OfProcess, 15)]
    [InlineData(OfThread, 9)]
    public void A_child_of_this_process_goes_on_and_still_has_the_signal(string program, int signal)
    {
        using Subject subject = Subject.Python(program);
        subject.Checkpoint();
        int last = LastNumber(subject);

        // The thread that restores ends, as a cmdlet's does.
        CracRestoredProcess? restored = null;
        var thread = new Thread(() => restored = subject.Restore(asChild: true));
        thread.Start();
        thread.Join();

        using (restored)
        {
            subject.Program.WaitForLine($"{last + 20} {signal}");
            Assert.Null(restored!.ExitSignal);
        }
    }

    [CriuTheory("python3")]
    [InlineData(OfProcess, CracPidNamespace.New)]
    [InlineData(OfThread, CracPidNamespace.Auto)]
    public void In_a_pid_namespace_of_its_own_it_goes_on(string program, CracPidNamespace place)
    {
        using Subject subject = Subject.Python(program);
        subject.Checkpoint();
        int last = LastNumber(subject);

        using CracRestoredProcess restored = PSCrac.Restoring.Restore.Run(new() { Image = CracImage.Open(subject.ImagePath), PidNamespace = place });
        subject.Program.WaitForLine($"{last + 20} ");

        Assert.NotNull(restored.NamespaceInitId);
        CriuProgram.Kill("-KILL", $"{restored.NamespaceInitId}");
        restored.WaitForExit(Wait.Limit);
    }

    [CriuFact("python3")]
    public void A_child_in_the_tree_keeps_its_parent_and_nothing_is_said()
    {
        using Subject subject = Subject.Python(OfChild);

        CheckpointResult checkpoint = subject.Checkpoint();
        int last = LastNumber(subject);
        using CracRestoredProcess restored = subject.Restore();

        subject.Program.WaitForLine($"{last + 20} 9");
        Assert.Empty(checkpoint.Warnings);
    }

    [CriuFact("python3")]
    public void Without_the_preflight_the_end_of_the_tree_is_an_error()
    {
        using Subject subject = Subject.Python(OfProcess);
        subject.Checkpoint();

        CracException ended = Expect.Failure(CracReason.ProcessGone, () => subject.Restore(skipPreflight: true));

        Assert.Contains("PR_SET_PDEATHSIG", ended.Message, StringComparison.Ordinal);
        Assert.True(Subject.HasEnded(subject.ProcessId));
    }

    [CriuFact("python3")]
    public void A_tree_that_ends_before_criu_does_is_an_error_and_a_child_of_this_process_has_its_exit_code()
    {
        using Subject subject = Subject.Python("""
            import os, time
            print("1", flush=True)
            while not os.path.exists("go"):
                time.sleep(0.001)
            os._exit(3)
            """);
        subject.Checkpoint();
        File.WriteAllText(Path.Combine(subject.Program.Folder, "go"), "");
        string script = subject.Folder.At("script");
        File.WriteAllText(script, "#!/bin/sh\n[ \"$CRTOOLS_SCRIPT_ACTION\" != post-resume ] || sleep 1\n");
        File.SetUnixFileMode(script, (UnixFileMode)0x1c0);
        var options = new RestoreOptions { CriuOption = new Dictionary<string, object?> { ["action-script"] = script } };

        CracException ended = Expect.Failure(CracReason.ProcessGone, () => subject.Restore(options));
        Assert.Contains("-Wait", ended.RecommendedAction, StringComparison.Ordinal);

        using CracRestoredProcess child = subject.Restore(options, asChild: true);
        Assert.True(child.WaitForExit(Wait.Limit));
        Assert.Equal(3, child.ExitCode);
    }

    private static int LastNumber(Subject subject) => int.Parse(subject.LastLine().Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
}
