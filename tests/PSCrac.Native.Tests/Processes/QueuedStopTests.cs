using PSCrac.Interop;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Processes;

/// <summary>Processes that a tracer holds, and lets go by its own end.</summary>
public sealed class QueuedStopTests : IDisposable
{
    // Four threads that count, each in a word of shared memory.
    private const string Counting = """
        import mmap, os, sys, threading
        f = os.open("words", os.O_RDWR | os.O_CREAT)
        os.ftruncate(f, 4096)
        m = memoryview(mmap.mmap(f, 4096)).cast("Q")
        def count(i):
            while True:
                m[i] += 1
        for i in range(3):
            threading.Thread(target=count, args=(i,), daemon=True).start()
        print("counting", flush=True)
        count(3)
        """;

    // PTRACE_SEIZE, PTRACE_INTERRUPT, and wait until it is stopped.
    private const string Tracer = """
        import ctypes, os, sys, time
        c = ctypes.CDLL(None, use_errno=True)
        for thread in os.listdir("/proc/%s/task" % sys.argv[1]):
            if c.ptrace(0x4206, int(thread), 0, 0) or c.ptrace(0x4207, int(thread), 0, 0):
                sys.exit("ptrace")
            os.waitpid(int(thread), 0x40000000)
        print("held", flush=True)
        time.sleep(1000)
        """;

    private readonly TestProgram _program = TestProgram.Start(PythonProgram.Path!, ["-c", Counting]);

    private ProcessIdentity Identity => ProcessIdentity.TryRead(_program.ProcessId)!.Value;

    public void Dispose() => _program.Dispose();

    [CriuFact("python3")]
    public void What_was_let_go_runs_nothing_until_the_stop_is_undone()
    {
        _program.WaitForLine("counting");
        using SessionGuard guard = SessionGuard.TryStart()!;
        using TestProgram tracer = Trace();
        var stop = new QueuedStop([Identity], new HashSet<ProcessIdentity>(), guard);
        byte[] held = Words();
        LibC.Kill(tracer.ProcessId, LibC.SIGKILL);

        Wait.Until(() => State == ProcessState.Stopped, () => $"it is {State}");
        Assert.Equal(held, Words());

        stop.Undo();
        Wait.Until(() => !Words().AsSpan().SequenceEqual(held), () => $"it does not continue: {State}");
    }

    [CriuFact("python3")]
    public void A_stop_that_is_undone_while_it_waits_stops_nothing()
    {
        _program.WaitForLine("counting");
        using SessionGuard guard = SessionGuard.TryStart()!;
        using TestProgram tracer = Trace();
        new QueuedStop([Identity], new HashSet<ProcessIdentity>(), guard).Undo();
        byte[] held = Words();
        LibC.Kill(tracer.ProcessId, LibC.SIGKILL);

        Wait.Until(() => !Words().AsSpan().SequenceEqual(held), () => $"it does not continue: {State}");
        Assert.NotEqual(ProcessState.Stopped, State);
    }

    [CriuFact("python3")]
    public void What_was_stopped_before_stays_so()
    {
        _program.WaitForLine("counting");
        Assert.Equal(Errno.None, LibC.Kill(_program.ProcessId, LibC.SIGSTOP));
        Wait.Until(() => State == ProcessState.Stopped, () => $"it is {State}");
        using SessionGuard guard = SessionGuard.TryStart()!;
        using TestProgram tracer = Trace();
        var stop = new QueuedStop([Identity], new HashSet<ProcessIdentity> { Identity }, guard);
        byte[] held = Words();
        LibC.Kill(tracer.ProcessId, LibC.SIGKILL);
        stop.Undo();

        Wait.Until(() => State == ProcessState.Stopped, () => $"it is {State}");
        Assert.Equal(held, Words());
    }

    private ProcessState State => ProcessStatus.TryRead(_program.ProcessId)?.State ?? ProcessState.Unknown;

    private byte[] Words() => File.ReadAllBytes(Path.Combine(_program.Folder, "words"));

    private TestProgram Trace()
    {
        var tracer = TestProgram.Start(PythonProgram.Path!, ["-c", Tracer, $"{_program.ProcessId}"]);
        tracer.WaitForLine("held");
        return tracer;
    }
}
