using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Preflight.Subjects;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>A live tree in which one cause occurs many times: one finding reports it, with the number and the first few.</summary>
public sealed class ManyProcessCausesTests
{
    private sealed record Many(string ExpectedText, int Occurrences, string Program)
    {
        internal PreflightOptions Options { get; init; } = PreflightOptions.Default;

        internal PreflightEnvironment? Environment { get; init; }

        internal string? Action { get; init; }
    }

    private static readonly PreflightOptions s_nothingChosen = new() { ChooseOptions = false };

    private static readonly PreflightEnvironment s_nobody = PreflightEnvironment.Read() with { UserId = 4321, Capabilities = 0 };

    private const string Sleep = "lambda: None";

    private static readonly Dictionary<string, Many> s_all = new()
    {
        ["locks"] = new("12 locks: exclusive lock (flock) on ", 12, """
            held = [os.open("lock%d" % i, os.O_RDWR | os.O_CREAT) for i in range(12)]
            for f in held: fcntl.flock(f, fcntl.LOCK_EX)
            """) { Options = s_nothingChosen, Action = "Give -FileLocks, or let the program release the locks first." },
        ["one lock of several processes"] = new("descriptor 3: exclusive lock (flock) on ", 1, $"""
            f = os.open("lock", os.O_RDWR | os.O_CREAT)
            fcntl.flock(f, fcntl.LOCK_EX)
            for i in range(5): child({Sleep})
            """),
        ["small unlinked files"] = new("7 unlinked files: ", 7, """
            for i in range(7):
                os.open("data", os.O_RDWR | os.O_CREAT)
                os.unlink("data")
            """),
        ["large unlinked files"] = new("3 unlinked files: ", 3, """
            for i in (2, 40, 4):
                f = os.open("data", os.O_RDWR | os.O_CREAT)
                os.write(f, b"x" * (i << 20))
                os.unlink("data")
            """) { Options = s_nothingChosen, Action = "Give -GhostLimit 56MB." },
        ["unlinked files of one name, mapped only"] = new("3 unlinked files: ", 3, """
            for i in range(3):
                f = os.open("data", os.O_RDWR | os.O_CREAT)
                os.write(f, b"x" * (3 << 20))
                libc.mmap.restype = ctypes.c_void_p
                libc.mmap(None, 3 << 20, 1, 2, f, ctypes.c_long(0))
                os.close(f)
                os.unlink("data")
            """),
        ["files with other names"] = new("4 files that were unlinked and have other names: ", 4, """
            for i in range(4):
                os.open("data%d" % i, os.O_RDWR | os.O_CREAT)
                os.link("data%d" % i, "other%d" % i)
                os.unlink("data%d" % i)
            """),
        ["connections inside"] = new("10 tcp connections inside the tree: 127.0.0.1:", 10, """
            s = socket.create_server(("127.0.0.1", 0))
            held = [(socket.create_connection(s.getsockname()), s.accept()) for i in range(5)]
            """),
        ["connections of half a tree"] = new("6 tcp connections that leave the tree: 127.0.0.1:", 6, """
            s = socket.create_server(("127.0.0.1", 0))
            if os.fork() != 0:
                held = [s.accept() for i in range(6)]
                time.sleep(600)
            os.setsid()
            held = [socket.create_connection(s.getsockname()) for i in range(6)]
            s.close()
            print(os.getpid(), flush=True)
            """),
        ["connections that were not accepted"] = new("3 listening sockets with connections not accepted: tcp 127.0.0.1:", 3, """
            held = [socket.create_server(("127.0.0.1", 0)) for i in range(3)]
            held += [socket.create_connection(s.getsockname()) for s in held]
            """),
        ["datagrams not read"] = new("4 sockets with datagrams not read: udp 127.0.0.1:", 4, """
            held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for i in range(4)]
            for s in held:
                s.bind(("127.0.0.1", 0))
                s.sendto(b"hello", s.getsockname())
            """),
        ["descriptors of one kind"] = new("5 descriptors of one kind, userfaultfd: descriptor 3, descriptor 4, descriptor 5 and 2 more", 5, """
            held = [syscall(323, 0) for i in range(5)]
            """),
        ["one SysV segment of six processes"] = new("memory at ", 1, $"""
            i = libc.shmget(0, 4096, 0o1600)
            libc.shmat.restype = ctypes.c_void_p
            a = libc.shmat(i, None, 0)
            for n in range(5): child({Sleep})
            libc.shmctl(i, 0, None)
            """),
        ["SysV segments"] = new("4 SysV shared memory segments: ", 4, """
            libc.shmat.restype = ctypes.c_void_p
            for n in range(4):
                i = libc.shmget(0, 4096, 0o1600)
                libc.shmat(i, ctypes.c_void_p(0x7e0000000000 + n * 0x100000), 0)
                libc.shmctl(i, 0, None)
            """),
        ["pipes to nobody"] = new("5 pipes read outside the tree, or by nobody: pipe:[", 5, """
            for i in range(5):
                r, w = os.pipe()
                os.close(r)
            """),
        ["output to pipes"] = new("2 pipes read outside the tree, or by nobody, for output: pipe:[", 2, """
            for i in (1, 2):
                r, w = os.pipe()
                os.dup2(w, i)
                os.close(r); os.close(w)
            """) { Action = "Restore with -StandardOutputPath and -StandardErrorPath, or start the program with its output in files." },
        ["pipes in packet mode"] = new("4 pipes in packet mode: pipe:[", 4, "held = [os.pipe2(os.O_DIRECT) for i in range(4)]"),
        ["pidfds"] = new("2 pidfds of processes outside the tree: process 1 (descriptor ", 2, """
            held = [os.pidfd_open(1), os.pidfd_open(1), os.pidfd_open(1), os.pidfd_open(os.getppid())]
            """),
        ["closed files that are watched"] = new("3 closed files that an epoll watches, descriptor ", 3, $"""
            held = [os.pipe() for i in range(3)]
            child({Sleep})
            p = select.epoll()
            for r, w in held: p.register(r, select.EPOLLIN)
            for r, w in held: os.close(r); os.close(w)
            """),
        ["stopped processes"] = new("4 processes stopped by a signal: ", 4, """
            for i in range(4): os.kill(child(lambda: None), signal.SIGSTOP)
            """),
        ["processes with seccomp"] = new("3 processes with seccomp, strict mode: ", 3, """
            held = os.pipe()
            def strict():
                libc.prctl(22, 1, 0, 0, 0)
                os.read(held[0], 1)
            for i in range(3): child(strict)
            """),
        ["locked memory"] = new("3 processes with locked memory, ", 3, """
            def lock():
                a = mmap.mmap(-1, 4096)
                libc.mlock(ctypes.byref(ctypes.c_char.from_buffer(a)), 4096)
                time.sleep(600)
            for i in range(3): child(lock)
            """),
        ["random numbers"] = new("6 processes that use random numbers, from ", 6, $"""
            f = os.open("/dev/urandom", os.O_RDONLY)
            for i in range(5): child({Sleep})
            """),
        ["logs"] = new("5 files that look like logs: ", 5, """
            held = [open("service%d.log" % i, "w") for i in range(5)]
            """),
        ["files that are written to"] = new("5 files that are written to: ", 5, """
            held = [open("data%d" % i, "w") for i in range(5)]
            """) { Options = new PreflightOptions { Checkpoint = new() { LeaveRunning = true } } },
        ["files of processes outside"] = new("4 files of processes outside the tree: /proc/1/status (descriptor ", 4, """
            held = [os.open("/proc/1/" + f, os.O_RDONLY) for f in ("status", "stat", "statm", "limits")]
            """),
        ["processes in namespaces of their own"] = new("4 processes in a host name (uts) namespace other than the root's: ", 4, """
            for i in range(4): child(lambda: (libc.unshare(0x04000000), time.sleep(600)))
            """) { Action = "Checkpoint each of them by itself, as the root of its own tree." },
        ["processes of another user"] = new("5 processes of other users: ", 5, """
            for i in range(4): child(lambda: (os.setuid(1234), time.sleep(600)))
            """) { Environment = s_nobody },
        ["timers"] = new("3 processes with timers on the real-time clock: ", 3, """
            def timer():
                f = libc.timerfd_create(0, 0)
                time.sleep(600)
            for i in range(3): child(timer)
            """),
        ["devices"] = new("3 block devices: ", 3, """
            import stat
            for i in range(3):
                os.mknod("disk%d" % i, stat.S_IFBLK | 0o600, os.makedev(7, 77 + i))
                os.open("disk%d" % i, os.O_PATH)
            """) { Action = "The program would have to close them before the checkpoint and open them after the restore." },
        ["serial lines"] = new("3 terminals of device 4:64: ", 3, """
            import stat
            for i in range(3):
                os.mknod("line%d" % i, stat.S_IFCHR | 0o600, os.makedev(4, 64))
                os.open("line%d" % i, os.O_PATH)
            """),
        ["message queues"] = new("3 POSIX message queues: descriptor 3, descriptor 4 and descriptor 5", 3, """
            librt = ctypes.CDLL("librt.so.1", use_errno=True)
            for i in range(3):
                librt.mq_open(b"/pscrac-%d" % os.getpid(), os.O_RDWR | os.O_CREAT, 0o600, None)
                librt.mq_unlink(b"/pscrac-%d" % os.getpid())
            """),
        ["unix sockets to others"] = new("4 unix sockets connected to others outside the tree: ", 4, """
            held = [socket.socketpair() for i in range(4)]
            if os.fork() != 0:
                for a, b in held: b.close()
                time.sleep(600)
            os.setsid()
            for a, b in held: a.close()
            print(os.getpid(), flush=True)
            """),
    };

    public static TheoryData<string> Names => [.. s_all.Keys];

    [ProgramTheory("python3")]
    [MemberData(nameof(Names))]
    public void A_cause_is_reported_once(string name)
    {
        Many many = s_all[name];
        using var program = TestProgram.Start(PythonProgram.Path!, ["-c", $"{ProcessShape.Prelude}\nos.closerange(3, 1000)\n{many.Program}\ntime.sleep(0.05)\nready()\ntime.sleep(600)"]);
        Wait.Until(() => File.Exists(Path.Combine(program.Folder, "ready")), program.ReadErrors);
        program.Remember();

        // Some programs examine only their child, whose pid they print.
        string printed = File.ReadAllText(program.OutputPath).Trim();
        int root = printed.Length > 0 ? int.Parse(printed, System.Globalization.CultureInfo.InvariantCulture) : program.ProcessId;
        ProcessPreflight preflight = ProcessPreflight.Examine(root, many.Options, many.Environment ?? PreflightEnvironment.Read());

        string all = string.Join('\n', preflight.Findings);
        CracFinding[] found = [.. preflight.Findings.Where(finding => finding.What.StartsWith(many.ExpectedText, StringComparison.Ordinal))];
        Assert.True(found.Length == 1, all);
        Assert.Equal(many.Occurrences, found[0].Occurrences);
        Assert.Equal(root, found[0].RootProcessId);
        Assert.All(preflight.Findings, static finding => Assert.NotNull(finding.ProcessId));
        if (many.Action is { } action)
        {
            Assert.Equal(action, found[0].RecommendedAction);
        }

        string[] whys = [.. preflight.Findings.Select(static finding => $"{finding.Severity} {finding.Reason} {finding.Why}")];
        Assert.True(whys.Distinct(StringComparer.Ordinal).Count() == whys.Length, all);
    }
}
