using System.Diagnostics;
using PSCrac.Procfs;
using PSCrac.Starting;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting;

/// <summary>Programs started by the engine: what they get, when they count as ready, and what is said when they do not.</summary>
public sealed class StartTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<CracStartedProcess> _started = [];

    public void Dispose()
    {
        _started.ForEach(static process => process.End());
        _folder.Dispose();
    }

    [Fact]
    public void GetsNothingOfThisProcessButWhatItIsGiven()
    {
        // A descriptor without close-on-exec, as a process inherits them from its own parent.
        using var inherited = new Inheritable(_folder.At("inherited"));
        CracStartedProcess process = Start(Shell("sleep 1000"));
        IReadOnlyList<ProcessDescriptor> descriptors = DescriptorTable.Read(process.Id);
        Assert.Equal([0, 1, 2], descriptors.Select(static descriptor => descriptor.Number));
        Assert.All(descriptors, static descriptor => Assert.Equal("/dev/null", descriptor.Target));
        ProcessStatus status = ProcessStatus.TryRead(process.Id)!;
        Assert.Equal(process.Id, status.SessionId);
        Assert.Equal(process.Id, status.ProcessGroupId);
        Assert.Equal(0, status.TerminalDevice);

        // The bits of 32 and 33 are the C library's own, which nobody can set back.
        const ulong Internal = 0x1_8000_0000;
        string[] Masks() => [.. File.ReadLines($"/proc/{process.Id}/status").Where(static line => line.StartsWith("SigIgn", StringComparison.Ordinal) || line.StartsWith("SigBlk", StringComparison.Ordinal))];

        // A shell blocks all signals for a moment when it starts a program itself.
        Wait.Until(() => Masks().All(static line => (Convert.ToUInt64(line.Split('\t')[1], 16) & ~Internal) == 0), () => string.Join('\n', Masks()));
    }

    [Fact]
    public void HasItsArgumentsEnvironmentFolderAndFiles()
    {
        File.WriteAllText(_folder.At("in"), "from a file");
        File.WriteAllText(_folder.At("out"), "before\n");
        StartRequest request = Shell("printf '%s|' \"$@\"; echo \"$GIVEN|${HOME-none}|$PWD|$(cat)\"; echo oops >&2; exec sleep 1000", "a b", "", "*") with
        {
            Environment = new Dictionary<string, string?> { ["GIVEN"] = "x=y", ["HOME"] = null },
            WorkingDirectory = _folder.FullPath,
            StandardInputPath = _folder.At("in"),
            StandardOutputPath = _folder.At("out"),
            StandardErrorPath = _folder.At("out"),
            Ready = [new ReadyPattern("^oops$", [_folder.At("out")])],
        };
        CracStartedProcess process = Start(request);
        Assert.NotNull(process.ReadyTime);
        Assert.Equal($"before\na b||*|x=y|none|{_folder.FullPath}|from a file\noops\n", File.ReadAllText(_folder.At("out")));

        // The loader of sleep has its libraries open for a moment.
        Wait.Until(() => DescriptorTable.Read(process.Id).Count == 3, () => string.Join(", ", DescriptorTable.Read(process.Id).Select(static each => each.Number)));
        Assert.All(DescriptorTable.Read(process.Id).Where(static descriptor => descriptor.Number > 0), static descriptor => Assert.True(descriptor.IsAppending && !descriptor.CanRead));
    }

    [Fact]
    public void IsReapedWhenItEndsAndTellsItsExitCode()
    {
        CracStartedProcess process = Start(Shell("exit 7"));
        Assert.True(process.WaitForExit(Wait.Limit));
        Assert.Equal(7, process.ExitCode);
        Assert.Null(process.ExitSignal);
        Assert.Null(ProcessStatus.TryRead(process.Id));

        CracStartedProcess killed = Start(Shell("kill -9 $$"));
        Assert.True(killed.WaitForExit(Wait.Limit));
        Assert.Equal((137, 9), (killed.ExitCode, killed.ExitSignal));
    }

    [Fact]
    public void EndsWithAllItsDescendants()
    {
        // The child leaves the group, and neither listens to SIGTERM.
        StartRequest request = Shell("trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & while :; do sleep 1; done") with
        {
            StandardOutputPath = _folder.At("out"),
            Ready = [new ReadyPattern(@"^\d+$", [_folder.At("out")])],
        };
        CracStartedProcess process = Start(request);
        int child = int.Parse(File.ReadAllText(_folder.At("out")));
        process.End();
        Assert.True(process.HasExited);
        Wait.Until(() => ProcessStatus.TryRead(child) is not { HasEnded: false }, () => "the child lives on");
    }

    [Fact]
    public void IsReadyWhenItsFileIsNewer()
    {
        string mark = _folder.At("mark");
        File.WriteAllText(mark, "of an earlier run");
        long start = Stopwatch.GetTimestamp();
        StartRequest request = Shell($"sleep 0.3; echo now > {mark}; exec sleep 1000") with { Ready = [new ReadyFile(mark)] };
        Start(request);
        Assert.True(Stopwatch.GetElapsedTime(start) > TimeSpan.FromSeconds(0.25));
    }

    [ProgramFact("python3")]
    public void IsReadyWhenItListensAndAnswers()
    {
        int port = FreePort.Next();
        StartRequest request = Python(port) with { Ready = [new ReadyPort(port), new ReadyUri(new Uri($"http://localhost:{port}/"))] };
        CracStartedProcess process = Start(request);
        Assert.InRange(process.ReadyTime!.Value, TimeSpan.FromMilliseconds(1), Wait.Limit);

        // Nothing of the check may stay in the program: it would stop a checkpoint.
        Wait.Until(
            () => !DescriptorTable.Read(process.Id).Any(static descriptor => descriptor.Kind == DescriptorKind.Socket && descriptor.Number > 3),
            () => "a connection of the readiness check is still open");
    }

    [ProgramFact("python3")]
    public void RefusesAnAddressThatAnswersAlready()
    {
        int port = FreePort.Next();
        ReadyCondition[] ready = [new ReadyUri(new Uri($"http://127.0.0.1:{port}/"))];
        Start(Python(port) with { Ready = ready });
        CracException e = Assert.Throws<CracException>(() => Start(Shell("exec sleep 1000") with { Ready = ready }));
        Assert.Equal(CracReason.AddressUnavailable, e.Reason);
    }

    [ProgramFact("python3")]
    public void DoesNotTakeAnothersPortForItsOwn()
    {
        int port = FreePort.Next();
        Start(Python(port) with { Ready = [new ReadyPort(port)] });
        CracException e = Assert.Throws<CracException>(() => Start(
            Shell("exec sleep 1000") with { Ready = [new ReadyPort(port)], ReadyTimeout = TimeSpan.FromSeconds(0.5) }));
        Assert.Equal(CracReason.TimedOut, e.Reason);
        Assert.Null(ProcessStatus.TryRead(e.ProcessId!.Value));
    }

    [Fact]
    public void TellsWhyItEndedTooEarly()
    {
        File.WriteAllText(_folder.At("out"), "of an earlier run\n");
        StartRequest request = Shell("echo starting; echo 'no such queue' >&2; exit 3") with
        {
            StandardOutputPath = _folder.At("out"),
            StandardErrorPath = _folder.At("out"),
            Ready = [new ReadyPort(1)],
        };
        CracException e = Assert.Throws<CracException>(() => Start(request));
        Assert.Equal(CracReason.ProgramEnded, e.Reason);
        Assert.Equal(3, e.ExitCode);
        Assert.Equal(["starting", "no such queue"], e.OutputLines);
    }

    [Fact]
    public void EndsTheProgramWhenItIsCancelled()
    {
        using var cancelling = new CancellationTokenSource();
        CracStartedProcess? process = null;
        StartRequest request = Shell("exec sleep 1000") with { Ready = [new ReadyPort(1)] };
        Assert.Throws<OperationCanceledException>(() => StartOperation.Run(request, null, started =>
        {
            process = started;
            cancelling.CancelAfter(TimeSpan.FromMilliseconds(100));
        }, cancelling.Token));
        Assert.True(process!.HasExited);
    }

    [Theory]
    [InlineData("no-such-program")]
    [InlineData("/etc/passwd")]
    [InlineData("/etc")]
    public void SaysThatThereIsNoSuchProgram(string path)
    {
        CracException e = Assert.Throws<CracException>(() => Start(new StartRequest { FilePath = path }));
        Assert.Equal(CracReason.ProgramNotStarted, e.Reason);
        Assert.NotNull(e.RecommendedAction);
    }

    [RootFact]
    public void StartsAtOrAboveTheMinimumId()
    {
        int minimum = Environment.ProcessId + 500;
        Assert.InRange(Start(Shell("exec sleep 1000") with { MinimumId = minimum }).Id, minimum, int.MaxValue);
    }

    private static StartRequest Shell(string script, params string[] arguments) =>
        new() { FilePath = "sh", Arguments = ["-c", script, "sh", .. arguments], ReadyTimeout = Wait.Limit };

    private static StartRequest Python(int port) => new()
    {
        FilePath = "python3",
        Arguments = ["-m", "http.server", "--bind", "127.0.0.1", $"{port}"],
        ReadyTimeout = Wait.Limit,
    };

    private CracStartedProcess Start(StartRequest request)
    {
        CracStartedProcess process = StartOperation.Run(request).Process;
        _started.Add(process);
        return process;
    }
}
