namespace PSCrac.Tests.Support;

/// <summary>A program that holds a given pid, alive or as a zombie, until it is told to let go.</summary>
internal sealed class PidTaker : IDisposable
{
    // clone3(2) with set_tid; its number is the same on every architecture.
    private const string Script = """
        import ctypes, os, signal, struct, sys, time
        wanted, zombie = int(sys.argv[1]), sys.argv[2] == "zombie"
        libc = ctypes.CDLL(None, use_errno=True)
        tid = (ctypes.c_int * 1)(wanted)
        args = struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(tid), 1, 0)
        pid = libc.syscall(435, args, len(args))
        if pid < 0: sys.exit(os.strerror(ctypes.get_errno()))
        if pid == 0:
            libc.prctl(15, b"squatter", 0, 0, 0)
            if zombie: os._exit(0)
            while True: signal.pause()
        open(f"/proc/self/comm", "w").write("landlord")
        if zombie: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        print("ready", flush=True)
        while not os.path.exists("let-go"): time.sleep(0.005)
        if not zombie: os.kill(pid, 9)
        os.waitpid(pid, 0)
        """;

    private readonly TestProgram _program;

    internal PidTaker(int processId, bool asZombie)
    {
        _program = TestProgram.Start("python3", ["-c", Script, $"{processId}", asZombie ? "zombie" : "alive"]);
        _program.WaitForLine("ready");
    }

    internal int Parent => _program.ProcessId;

    internal void LetGo() => File.WriteAllText(Path.Combine(_program.Folder, "let-go"), "");

    public void Dispose() => _program.Dispose();
}
