namespace PSCrac.Tests.Support;

/// <summary>A program whose child was of the process group of a given number, and is a zombie until it is told to let go.</summary>
internal sealed class GroupTaker : IDisposable
{
    // The group's first process is made under its number (clone3(2) with set_tid), and ends when the other has joined it.
    private const string Script = """
        import ctypes, os, signal, struct, sys, time
        wanted = int(sys.argv[1])
        libc = ctypes.CDLL(None, use_errno=True)
        tid = (ctypes.c_int * 1)(wanted)
        args = struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(tid), 1, 0)
        first = libc.syscall(435, args, len(args))
        if first < 0: sys.exit(os.strerror(ctypes.get_errno()))
        if first == 0:
            while True: signal.pause()
        os.setpgid(first, first)
        member = os.fork()
        if member == 0:
            open("/proc/self/comm", "w").write("member")
            os.setpgid(0, wanted)
            os._exit(0)
        os.waitid(os.P_PID, member, os.WEXITED | os.WNOWAIT)
        os.kill(first, 9)
        os.waitpid(first, 0)
        print(member, flush=True)
        while not os.path.exists("let-go"): time.sleep(0.005)
        os.waitpid(member, 0)
        """;

    private readonly TestProgram _program;

    internal GroupTaker(int group)
    {
        _program = TestProgram.Start("python3", ["-c", Script, $"{group}"]);
        Member = int.Parse(_program.WaitForLine(""));
    }

    internal int Member { get; }

    internal int Parent => _program.ProcessId;

    internal void LetGo() => File.WriteAllText(Path.Combine(_program.Folder, "let-go"), "");

    public void Dispose() => _program.Dispose();
}
