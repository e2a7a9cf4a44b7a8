using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

public class RestoreFilesTests
{
    // Reads a line for each SIGUSR1 and says it on both outputs.
    private const string Echo = """
        import os, signal, sys
        f = open("data", "r+b", buffering=0)
        f.read(3)
        log = open("log", "w")
        log.write("before\n"); log.flush()
        print("ready", flush=True)
        while True:
            signal.sigwait([signal.SIGUSR1])
            print("out", f.read(3).decode(), flush=True)
            print("err", os.read(0, 3).decode(), file=sys.stderr, flush=True)
            log.write("after\n"); log.flush()
        """;

    [CriuFact("python3")]
    public void Streams_lead_to_other_files()
    {
        using Subject subject = Start();
        subject.Checkpoint();
        File.WriteAllText(subject.Folder.At("in"), "xyz");
        File.WriteAllText(subject.Folder.At("out"), "kept\n");
        int before = File.ReadAllText(subject.Program.OutputPath).Length;

        using NewNamespace restored = NewNamespace.Restore(subject.ImagePath, new()
        {
            StandardInputPath = subject.Folder.At("in"),
            StandardOutputPath = subject.Folder.At("out"),
            StandardErrorPath = subject.Folder.At("out"),
        });
        NewNamespace.Signal(restored.Process.Id, "USR1");

        WaitForText(subject.Folder.At("out"), "kept\nout 345\nerr xyz\n");
        Assert.Equal(before, File.ReadAllText(subject.Program.OutputPath).Length);
        Assert.Empty(restored.Process.Warnings);
    }

    [CriuFact("python3")]
    public void Only_the_stream_that_was_named_changes_where_both_are_the_null_device()
    {
        using Subject subject = Start("import os\nn = os.open('/dev/null', os.O_RDWR)\nprint('ready', flush=True)\nos.dup2(n, 1); os.dup2(n, 2)\nimport time\ntime.sleep(1000)");
        Wait.Until(() => Descriptor(subject.ProcessId, 2) == "/dev/null", () => "not redirected");
        subject.Checkpoint();

        using NewNamespace restored = NewNamespace.Restore(subject.ImagePath, new() { StandardErrorPath = subject.Folder.At("err") });

        Assert.Equal("/dev/null", Descriptor(restored.Process.Id, 0));
        Assert.Equal("/dev/null", Descriptor(restored.Process.Id, 1));
        Assert.Equal(subject.Folder.At("err"), Descriptor(restored.Process.Id, 2));
        Assert.Equal("/dev/null", Descriptor(restored.Process.Id, 3));
    }

    [CriuFact("python3")]
    public void A_pipe_becomes_a_file()
    {
        using Subject subject = Start("import os, time\nr, w = os.pipe()\nprint('ready', flush=True)\nos.dup2(w, 1)\nos.write(2, b'redirected')\ntime.sleep(1000)");
        Wait.Until(() => subject.Program.ReadErrors().Length > 0, () => "not redirected");
        subject.Checkpoint();

        using NewNamespace restored = NewNamespace.Restore(subject.ImagePath, new() { StandardOutputPath = subject.Folder.At("out") });

        Assert.Equal(subject.Folder.At("out"), Descriptor(restored.Process.Id, 1));
        Assert.StartsWith("pipe:", Descriptor(restored.Process.Id, 4));
    }

    [CriuFact("python3")]
    public void A_grown_file_is_refused_and_on_request_goes_on_at_its_end()
    {
        using Subject subject = Start();
        string log = Path.Combine(subject.Program.Folder, "log");
        subject.Checkpoint();
        File.AppendAllText(log, "meanwhile\n");

        CracException e = Assert.Throws<CracException>(() => NewNamespace.Restore(subject.ImagePath));
        using NewNamespace restored = NewNamespace.Restore(subject.ImagePath, new() { ReopenGrown = true });
        NewNamespace.Signal(restored.Process.Id, "USR1");

        Assert.Equal(CracReason.FileChanged, e.Reason);
        Assert.Contains("-ReopenGrownFile", e.RecommendedAction);
        WaitForText(log, "before\nmeanwhile\nafter\n");
    }

    [CriuFact("python3")]
    public void A_file_that_was_read_goes_on_where_it_was_though_it_grew()
    {
        using Subject subject = Start("import signal\nf = open('data', 'rb', buffering=0)\nf.read(8)\nprint('ready', flush=True)\nsignal.sigwait([signal.SIGUSR1])\nprint(f.read(9).decode(), flush=True)");
        subject.Checkpoint();
        File.AppendAllText(Path.Combine(subject.Program.Folder, "data"), "more");

        using NewNamespace restored = NewNamespace.Restore(subject.ImagePath, new() { ReopenGrown = true });
        NewNamespace.Signal(restored.Process.Id, "USR1");

        Wait.Until(() => subject.CountLines("89more") == 1, () => subject.LastLine());
    }

    [CriuFact("python3")]
    public void A_file_that_shrank_is_refused_all_the_same()
    {
        using Subject subject = Start();
        subject.Checkpoint();
        File.WriteAllText(Path.Combine(subject.Program.Folder, "data"), "0");

        CracException e = Assert.Throws<CracException>(() => NewNamespace.Restore(subject.ImagePath, new() { ReopenGrown = true }));

        Assert.Equal(CracReason.FileChanged, e.Reason);
    }

    [CriuFact("python3")]
    public void A_moved_file_is_found_at_its_new_place()
    {
        using Subject subject = Start();
        string data = Path.Combine(subject.Program.Folder, "data");
        subject.Checkpoint();
        File.Move(data, subject.Folder.At("moved"));

        using NewNamespace restored = NewNamespace.Restore(subject.ImagePath, new() { Replace = new Dictionary<string, string> { [data] = subject.Folder.At("moved") } });
        NewNamespace.Signal(restored.Process.Id, "USR1");

        Wait.Until(() => subject.CountLines("out 345") == 1, () => subject.LastLine());
    }

    [CriuFact("python3")]
    public void What_cannot_be_replaced_is_said()
    {
        using Subject subject = Start();
        string data = Path.Combine(subject.Program.Folder, "data");
        subject.Checkpoint();
        CracReason Refused(RestoreFiles files) => Assert.Throws<CracException>(() => NewNamespace.Restore(subject.ImagePath, files)).Reason;

        Assert.Equal(CracReason.FileMissing, Refused(new() { Replace = new Dictionary<string, string> { [data] = "/no/such" } }));
        Assert.Equal(CracReason.OptionRefused, Refused(new() { Replace = new Dictionary<string, string> { ["/no/such"] = data } }));
        Assert.Equal(CracReason.FileMissing, Refused(new() { StandardInputPath = "/no/such" }));
        Assert.Equal(CracReason.FileMissing, Refused(new() { StandardOutputPath = "/no/such/out" }));
    }

    [CriuFact("python3")]
    public void A_terminal_that_is_gone_becomes_null_or_files()
    {
        using Subject subject = Subject.Python("""
            import os, pty, time
            id, master = pty.fork()
            if id == 0:
                os.write(1, b"on a terminal")
                time.sleep(1000)
            os.read(master, 100)
            print("ready", id, flush=True)
            while True:
                os.read(master, 100)
            """, "ready");
        int id = int.Parse(subject.LastLine().Split(' ')[1]);
        CracImage image = Checkpoint.Run(new CheckpointRequest { ProcessId = id, ImagePath = subject.ImagePath, Options = new() { ShellJob = true, LeaveRunning = true }, NoSync = true }).Image;

        FileEdits edits = FileEditPlan.Create(image, new(), hasTerminal: false, out IReadOnlyList<string> warnings);
        using NewNamespace restored = NewNamespace.Restore(subject.ImagePath, new()
        {
            StandardInputPath = "/dev/null",
            StandardOutputPath = subject.Folder.At("out"),
            StandardErrorPath = subject.Folder.At("err"),
        });

        Assert.Contains("0, 1, 2", Assert.Single(warnings));
        Assert.All(edits.Changed.Values, file => Assert.Equal("/dev/null", file.Path));
        Assert.Equal(subject.Folder.At("out"), Descriptor(restored.Process.Id, 1));
        Assert.Equal(subject.Folder.At("err"), Descriptor(restored.Process.Id, 2));
        Assert.Empty(restored.Process.Warnings);
    }

    // The signal is blocked before the program says that it is ready, so that it waits for whoever sends it.
    private static Subject Start(string script = Echo) => Subject.Python(
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\nopen('data', 'w').write('0123456789')\n" + script, "ready");

    private static string Descriptor(int processId, int number) => new FileInfo($"/proc/{processId}/fd/{number}").LinkTarget!;

    private static void WaitForText(string path, string text) => Wait.Until(() => File.ReadAllText(path) == text, () => File.ReadAllText(path));
}
