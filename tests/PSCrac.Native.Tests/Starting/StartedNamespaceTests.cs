using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Starting;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting;

/// <summary>Programs started in a pid namespace of their own.</summary>
public sealed class StartedNamespaceTests : IDisposable
{
    // Answers SIGUSR1 with the number of answers so far and its own idea of its pid, and ends with 7 on SIGTERM.
    private const string Answering = """
        import os, signal, sys
        count = 0
        def answer(*_):
            global count
            count += 1
            os.write(1, b"answer %d %d\n" % (count, os.getpid()))
        signal.signal(signal.SIGUSR1, answer)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        print("ready", flush=True)
        while True:
            signal.pause()
        """;

    private readonly TemporaryFolder _folder = new();
    private readonly List<CracStartedProcess> _started = [];

    private string OutputPath => _folder.At("out");

    private string ImagePath => _folder.At("image");

    public void Dispose()
    {
        _started.ForEach(static process => process.End());
        _folder.Dispose();
    }

    [CriuFact("python3")]
    public void It_has_another_id_there_and_nothing_of_this_process()
    {
        CracStartedProcess process = Start(Program(Answering)).Process;

        Assert.NotEqual(process.Id, process.ImageProcessId);
        ProcessStatus status = ProcessStatus.TryRead(process.Id)!;
        Assert.Equal(process.ImageProcessId, status.InnermostProcessId);
        Assert.Equal(process.NamespaceInitId, status.ParentProcessId);
        Assert.Equal([0, 1, 2], DescriptorTable.Read(process.Id).Select(static descriptor => descriptor.Number));
        Assert.Equal([$"answer 1 {process.ImageProcessId}"], Ask(process.Id, OutputPath, "answer"));

        // Its proc shows itself and the init, and no process of the host.
        string[] seen = [.. Directory.EnumerateDirectories($"/proc/{process.Id}/root/proc").Select(static path => Path.GetFileName(path)!).Where(static name => int.TryParse(name, out _))];
        Assert.Equal(["1", $"{process.ImageProcessId}"], seen.Order(StringComparer.Ordinal));
    }

    [CriuFact("python3")]
    public void Its_arguments_environment_and_folder_arrive()
    {
        StartRequest request = Program("import os, sys; print(sys.argv[1:], os.environ['GIVEN'], os.environ.get('HOME'), os.getcwd(), sys.stdin.read(), flush=True); print('ready', flush=True); import signal; signal.pause()");
        File.WriteAllText(_folder.At("in"), "from a file");
        request = request with
        {
            Arguments = [.. request.Arguments, "a b", "", "\n"],
            Environment = new Dictionary<string, string?> { ["GIVEN"] = "ü=y", ["HOME"] = null },
            StandardInputPath = _folder.At("in"),
        };
        Start(request);
        Assert.Equal($"['a b', '', '\\n'] ü=y None {_folder.FullPath} from a file", File.ReadLines(OutputPath).First());
    }

    [CriuFact("python3")]
    public void Signals_to_the_init_reach_it_and_its_exit_code_comes_back()
    {
        CracStartedProcess process = Start(Program(Answering)).Process;
        int init = process.NamespaceInitId!.Value;
        Ask(init, OutputPath, "answer");
        NewNamespace.Signal(init, "TERM");

        Assert.True(process.WaitForExit(Wait.Limit));
        Assert.Equal((7, null), (process.ExitCode, process.ExitSignal));
        Assert.Null(ProcessStatus.TryRead(init));
    }

    [CriuFact("python3")]
    public void Killing_it_ends_the_namespace_and_all_in_it()
    {
        StartRequest request = Program("""
            import os, signal
            if os.fork() == 0:
                if os.fork() == 0:
                    os.setsid()
                    print("ready", flush=True)
                    signal.pause()
                os._exit(0)
            os.wait()
            signal.pause()
            """);
        CracStartedProcess process = Start(request).Process;
        int init = process.NamespaceInitId!.Value;
        int[] all = [];
        Wait.Until(() => (all = [.. ProcessTree.Read(init).ProcessIds]).Length == 3, () => $"{all.Length} processes");
        NewNamespace.Signal(process.Id, "KILL");

        Assert.True(process.WaitForExit(Wait.Limit));
        Assert.Equal((137, 9), (process.ExitCode, process.ExitSignal));
        Assert.All(all, static id => Assert.Null(ProcessStatus.TryRead(id)));
    }

    [CriuFact]
    public void One_that_ends_before_it_is_ready_says_why()
    {
        StartRequest request = new()
        {
            FilePath = "sh",
            Arguments = ["-c", "echo no such queue; exit 3"],
            PidNamespace = CracPidNamespace.New,
            StandardOutputPath = OutputPath,
            Ready = [new ReadyPort(1)],
            ReadyTimeout = Wait.Limit,
        };
        CracException e = Assert.Throws<CracException>(() => Start(request));
        Assert.Equal((CracReason.ProgramEnded, 3), (e.Reason, e.ExitCode));
        Assert.Equal(["no such queue"], e.OutputLines);
    }

    [CriuFact]
    public void What_is_no_program_is_told_and_leaves_no_namespace()
    {
        string path = _folder.At("no-program");
        File.WriteAllText(path, "this");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        CracException e = Assert.Throws<CracException>(() => Start(new StartRequest { FilePath = path, PidNamespace = CracPidNamespace.New }));
        Assert.Equal(CracReason.ProgramNotStarted, e.Reason);
        Assert.Contains("#!", e.RecommendedAction);
        Assert.DoesNotContain(ProcessTree.Read(Environment.ProcessId).Members, static member => member.Status.CommandName == "pscrac-init");
    }

    [CriuFact]
    public void A_cancelled_start_ends_it()
    {
        using var cancelling = new CancellationTokenSource();
        CracStartedProcess? process = null;
        var request = new StartRequest { FilePath = "sleep", Arguments = ["1000"], PidNamespace = CracPidNamespace.New, Ready = [new ReadyPort(1)] };
        Assert.Throws<OperationCanceledException>(() => StartOperation.Run(request, null, started =>
        {
            process = started;
            cancelling.Cancel();
        }, cancelling.Token));
        Assert.True(process!.HasExited);
        Assert.Null(ProcessStatus.TryRead(process.NamespaceInitId!.Value));
    }

    [CriuFact("python3")]
    public void Its_image_is_restored_twice_side_by_side_and_each_answers()
    {
        CracStartedProcess process = Start(Program(Answering) with
        {
            ImagePath = ImagePath,
            WarmUp = started => Ask(started.Id, OutputPath, "answer 1"),
        }).Process;
        Assert.True(process.HasExited);
        Assert.Equal(process.ImageProcessId, process.Image!.RootProcessId);

        using NewNamespace first = NewNamespace.Restore(ImagePath, new RestoreFiles { StandardOutputPath = _folder.At("first") });
        using NewNamespace second = NewNamespace.Restore(ImagePath, new RestoreFiles { StandardOutputPath = _folder.At("second") });

        // What it was warmed up with is still there, in both.
        Assert.Equal([$"answer 2 {process.ImageProcessId}"], Ask(first.Process.Id, _folder.At("first"), "answer"));
        Assert.Equal([$"answer 2 {process.ImageProcessId}"], Ask(second.Process.Id, _folder.At("second"), "answer"));
    }

    [CriuFact("python3")]
    public void The_same_line_restores_it_in_a_namespace_again()
    {
        StartRequest request = Program(Answering) with { ImagePath = ImagePath, OrRestore = true };
        StartResult first = Start(request);
        Assert.False(first.Process.IsRestored);
        Assert.False(first.Process.HasExited);

        // The first one still runs: its ids are no matter.
        StartResult second = Start(request with { Ready = [] });
        Assert.Empty(second.Warnings);
        Assert.True(second.Process.IsRestored);
        Assert.Equal(first.Process.ImageProcessId, second.Process.ImageProcessId);
        Assert.NotEqual(first.Process.NamespaceInitId, second.Process.NamespaceInitId);

        // Nor does it need to be said again where it was.
        StartResult third = Start(request with { Ready = [], PidNamespace = null });
        Assert.Empty(third.Warnings);
        Assert.NotNull(third.Process.NamespaceInitId);
        Assert.Contains(third.Decisions, static decision => decision.Contains("-PidNamespace Host", StringComparison.Ordinal));
        NewNamespace.Signal(second.Process.Id, "TERM");
        Assert.True(second.Process.WaitForExit(Wait.Limit));
        Assert.Equal(7, second.Process.ExitCode);
    }

    private StartRequest Program(string code) => new()
    {
        FilePath = "python3",
        Arguments = ["-c", code],
        WorkingDirectory = _folder.FullPath,
        PidNamespace = CracPidNamespace.New,
        StandardOutputPath = OutputPath,
        StandardErrorPath = _folder.At("err"),
        Ready = [new ReadyPattern("^ready$", [OutputPath])],
        ReadyTimeout = Wait.Limit,
    };

    /// <summary>Asks for an answer by SIGUSR1, and gives the lines that begin with a word once there is one.</summary>
    private static string[] Ask(int processId, string output, string word)
    {
        string[] Lines() => File.Exists(output) ? [.. File.ReadAllLines(output).Where(line => line.StartsWith(word, StringComparison.Ordinal))] : [];
        NewNamespace.Signal(processId, "USR1");
        Wait.Until(() => Lines().Length > 0, () => "it does not answer");
        return Lines();
    }

    private StartResult Start(StartRequest request)
    {
        StartResult result = StartOperation.Run(request);
        _started.Add(result.Process);
        return result;
    }
}
