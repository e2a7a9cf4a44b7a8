using System.Diagnostics;
using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>Record locks on mapped files, and of inherited descriptors, which criu loses, are there before the tree runs; a restore names the locks that the tree does not have.</summary>
public class RestoredLockTests
{
    private const string Prelude = """
        import ctypes, fcntl, mmap, os, signal, struct, sys, threading, time
        libc = ctypes.CDLL(None, use_errno=True)
        f = os.open("data", os.O_RDWR | os.O_CREAT)
        os.write(f, bytes(4096))

        """;

    private const string End = "\nprint('ready', flush=True)\ntime.sleep(600)\n";

    // Tells by its exit code whether another process may lock the range: 0, or 3 if it may not.
    private const string Contender = """
        import fcntl, os, sys
        f = os.open(sys.argv[1], os.O_RDWR)
        try:
            fcntl.lockf(f, (fcntl.LOCK_EX if sys.argv[2] == "write" else fcntl.LOCK_SH) | fcntl.LOCK_NB, int(sys.argv[4]), int(sys.argv[3]))
        except OSError:
            sys.exit(3)
        """;

    /// <summary>Programs, each with the lock that another process wants, and whether a read lock beside it is possible.</summary>
    public static TheoryData<string, string, int, int, bool> Programs => new()
    {
        { "a part, locked for writing", "fcntl.lockf(f, fcntl.LOCK_EX, 10, 100); a = mmap.mmap(f, 4096)", 105, 1, false },
        { "a read lock to the end of the file, beside flock", "fcntl.lockf(f, fcntl.LOCK_SH); a = mmap.mmap(f, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ); fcntl.flock(f, fcntl.LOCK_EX)", 1 << 20, 5, true },
        { "mapped by another name, which was unlinked", "os.link('data', 'other'); fcntl.lockf(f, fcntl.LOCK_EX, 1, 0)\ng = os.open('other', 0); os.unlink('other'); a = mmap.mmap(g, 4096, mmap.MAP_SHARED, mmap.PROT_READ)", 0, 1, false },
        { "many ranges, read and write in turn", "a = mmap.mmap(f, 4096)\nfor i in range(200): fcntl.lockf(f, fcntl.LOCK_EX if i % 2 else fcntl.LOCK_SH, 3, i * 10)", 1991, 1, false },
        {
            "held by a thread, while the main thread waits for it",
            """
            a = mmap.mmap(f, 4096)
            def body():
                fcntl.lockf(f, fcntl.LOCK_EX)
                print("ready", flush=True)
                time.sleep(600)
            threads = [threading.Thread(target=body)] + [threading.Thread(target=time.sleep, args=(600,)) for _ in range(5)]
            for t in threads: t.start()
            threads[0].join()
            """,
            0, 1, false
        },
        {
            "of a child that shares its parent's descriptors",
            """
            a = mmap.mmap(f, 4096)
            if libc.syscall(56 if os.uname().machine == "x86_64" else 220, 0x400 | 17, 0, 0, 0, 0) == 0:
                fcntl.lockf(f, fcntl.LOCK_EX, 7, 7)
                os.mkdir("locked")
                while True: time.sleep(600)
            while not os.path.exists("locked"): time.sleep(0.01)
            """,
            7, 7, false
        },
        {
            "of a child alone, on a mapped file that it inherited, which criu leaves out",
            """
            a = mmap.mmap(f, 4096)
            if os.fork() == 0:
                fcntl.lockf(f, fcntl.LOCK_EX, 0, 7)
                os.mkdir("locked")
                while True: time.sleep(600)
            while not os.path.exists("locked"): time.sleep(0.01)
            """,
            1 << 30, 7, false
        },
        {
            "of two workers on a file that they inherited, which criu leaves out",
            """
            for n in (0, 1):
                if os.fork() == 0:
                    fcntl.lockf(os.dup(f), fcntl.LOCK_SH, 10, 0)
                    fcntl.lockf(f, fcntl.LOCK_EX, 1, 20 + n)
                    os.mkdir(f"locked-{n}")
                    while True: time.sleep(600)
            while not (os.path.exists("locked-0") and os.path.exists("locked-1")): time.sleep(0.01)
            """,
            21, 1, false
        },
        {
            "of a program whose filter refuses the call",
            """
            a = mmap.mmap(f, 4096)
            fcntl.lockf(f, fcntl.LOCK_EX)
            code = b"".join(struct.pack("HBBI", *each) for each in [
                (0x20, 0, 0, 0), (0x15, 0, 1, 72 if os.uname().machine == "x86_64" else 25), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)])
            text = ctypes.create_string_buffer(code)
            program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(text)))
            for each in [(38, 1, 0, 0, 0), (22, 2, ctypes.addressof(program), 0, 0)]:
                assert libc.prctl(*[ctypes.c_ulong(number) for number in each]) == 0
            """,
            0, 1, false
        },
    };

    [CriuTheory]
    [MemberData(nameof(Programs))]
    public void A_lock_that_criu_loses_is_held_again(string what, string program, int start, int length, bool isShared)
    {
        using Subject subject = Subject.Python(Prelude + program + End, "ready");
        string data = Path.Combine(subject.Program.Folder, "data");
        string[] locks = LocksOf(data);

        CheckpointResult checkpoint = subject.Checkpoint();
        Assert.True(CanLock(data, "write", start, length), what);
        using CracRestoredProcess restored = subject.Restore();

        Assert.Contains(checkpoint.Choices, static choice => choice.Option == "file-locks");
        Assert.DoesNotContain(checkpoint.Findings, static finding => finding is { Severity: CracFindingSeverity.Warning, Reason: CracReason.FileLocksHeld });
        Assert.Empty(restored.Warnings);
        Assert.Equal(locks, LocksOf(data));
        Assert.False(CanLock(data, "write", start, length));
        Assert.Equal(isShared, CanLock(data, "read", start, length));
    }

    [CriuTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_is_held_again_in_a_new_namespace_and_with_lazy_pages(bool isLazy)
    {
        using Subject subject = Subject.Python(Prelude + "big = bytearray(b'x') * (50 << 20); fcntl.lockf(f, fcntl.LOCK_EX, 10, 100); a = mmap.mmap(f, 4096)" + End, "ready");
        string data = Path.Combine(subject.Program.Folder, "data");
        subject.Checkpoint();

        using NewNamespace? inside = isLazy ? null : NewNamespace.Restore(subject.ImagePath);
        using CracRestoredProcess? outside = isLazy ? subject.Restore(new() { LazyPages = true }) : null;

        Assert.Empty((inside?.Process ?? outside)!.Warnings);
        Assert.False(CanLock(data, "read", 105, 1));
        Assert.True(CanLock(data, "write", 0, 50));
    }

    [CriuFact("python3")]
    public void A_stopped_child_stays_stopped_and_nobody_sees_a_signal_or_a_change()
    {
        // The parent would see the first child stop and go on; the children count their signals, one of which is pending all the time.
        using Subject subject = Subject.Python(
            Prelude + """
            seen = []
            def go(stopped):
                pid = os.fork()
                if pid == 0:
                    counted = []
                    for each in (signal.SIGUSR1, signal.SIGCONT):
                        signal.signal(each, lambda number, _: counted.append(number))
                    g = os.open("data", os.O_RDWR)
                    a = mmap.mmap(g, 4096)
                    fcntl.lockf(g, fcntl.LOCK_EX, 1, os.getpid())
                    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
                    os.kill(os.getpid(), signal.SIGUSR1)
                    open(f"child-{stopped}", "w").close()
                    while not os.path.exists("go"): time.sleep(0.01)
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
                    open("said.part", "w").write(" ".join(str(int(each)) for each in counted))
                    os.rename("said.part", f"said-{stopped}")
                    os._exit(0)
                while not os.path.exists(f"child-{stopped}"): time.sleep(0.01)
                return pid
            children = [go(0), go(1)]
            os.kill(children[1], signal.SIGSTOP)
            assert os.waitpid(children[1], os.WUNTRACED)[0] == children[1]
            print("ready %d %d" % tuple(children), flush=True)
            while not os.path.exists("tell"):
                if os.waitpid(children[0], os.WNOHANG | os.WUNTRACED | os.WCONTINUED)[0]: seen.append("wait")
                time.sleep(0.001)
            print("seen", seen, flush=True)
            """ + End,
            "ready");
        int[] children = [.. subject.Program.WaitForLine("ready").Split(' ')[1..].Select(int.Parse)];
        string folder = subject.Program.Folder;
        subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore();

        Assert.Empty(restored.Warnings);
        Assert.All(children, child => Assert.False(CanLock(Path.Combine(folder, "data"), "write", child, 1)));
        Wait.Until(() => ProcessStatus.TryRead(children[1]) is { State: ProcessState.Stopped }, () => "the stopped child goes on");
        File.WriteAllText(Path.Combine(folder, "tell"), "");
        Assert.Equal("seen []", subject.Program.WaitForLine("seen"));
        File.WriteAllText(Path.Combine(folder, "go"), "");
        Wait.Until(() => File.Exists(Path.Combine(folder, "said-0")), () => "the child says nothing");
        Assert.Equal("10", File.ReadAllText(Path.Combine(folder, "said-0")));
        CriuProgram.Kill("-CONT", $"{children[1]}");
        Wait.Until(() => File.Exists(Path.Combine(folder, "said-1")), () => "the stopped child does not go on");
        Assert.Equal("18 10", File.ReadAllText(Path.Combine(folder, "said-1")));
    }

    [CriuFact("python3")]
    public void SQLite_keeps_its_snapshot_while_others_write_and_want_to_truncate_its_log()
    {
        using Subject subject = Subject.Python("""
            import os, sqlite3, time
            base = sqlite3.connect("base", isolation_level=None)
            base.execute("pragma journal_mode=wal")
            base.execute("create table t(n)")
            base.executemany("insert into t values(?)", [(n,) for n in range(1000)])
            base.execute("begin")
            print("ready", base.execute("select count(*) from t").fetchone()[0], flush=True)
            while not os.path.exists("go"): time.sleep(0.01)
            print("snapshot", *base.execute("select count(*), sum(n) from t").fetchone(), flush=True)
            base.execute("commit")
            print("after", *base.execute("select count(*), sum(n) from t").fetchone(), flush=True)
            base.execute("insert into t values(7)")
            print("written", flush=True)
            time.sleep(600)
            """,
            "ready 1000");
        string folder = subject.Program.Folder;

        // Written by another process while the program has its snapshot; and what it must not do: truncate the log.
        const string Writer = """
            import sqlite3, sys
            base = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0.5)
            base.execute("insert into t values(100000)")
            print(*base.execute("pragma wal_checkpoint(truncate)").fetchone())
            """;
        string before = Python(Writer, Path.Combine(folder, "base"));
        CheckpointResult checkpoint = subject.Checkpoint();

        using CracRestoredProcess restored = subject.Restore();
        string after = Python(Writer, Path.Combine(folder, "base"));

        Assert.Empty(restored.Warnings);
        Assert.DoesNotContain(checkpoint.Findings, static finding => finding is { Severity: CracFindingSeverity.Warning, Reason: CracReason.FileLocksHeld });
        Assert.StartsWith("1 ", before, StringComparison.Ordinal);
        Assert.StartsWith("1 ", after, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(folder, "go"), "");
        Assert.Equal("snapshot 1000 499500", subject.Program.WaitForLine("snapshot"));
        Assert.Equal("after 1002 699500", subject.Program.WaitForLine("after"));
        subject.Program.WaitForLine("written");
        Assert.Equal("0 0 0", Python(Writer, Path.Combine(folder, "base")));
    }

    // A script of criu's stage at which the locks are lost, and not yet taken again.
    [CriuTheory]
    [InlineData("fcntl.lockf(f, fcntl.LOCK_EX, 10, 100)", "105 1", 1)]
    [InlineData("fcntl.lockf(f, fcntl.LOCK_SH, 10, 100); fcntl.lockf(f, fcntl.LOCK_EX, 1, 0)", "0 200", 2)]
    public void A_lock_that_another_process_has_taken_meanwhile_is_named(string locks, string range, int count)
    {
        using Subject subject = Subject.Python(Prelude + locks + "; a = mmap.mmap(f, 4096)" + End, "ready");
        string data = Path.Combine(subject.Program.Folder, "data"), taken = subject.Folder.At("taken"), script = subject.Folder.At("script");
        File.WriteAllText(subject.Folder.At("taker"), $"""
            import fcntl, os, sys, time
            f = os.open(sys.argv[1], os.O_RDWR)
            fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, int(sys.argv[3]), int(sys.argv[2]))
            with open("{taken}.part", "w") as said: said.write(str(os.getpid()))
            os.rename("{taken}.part", "{taken}")
            time.sleep(600)
            """);
        File.WriteAllText(script, $"""
            #!/bin/sh
            [ "$CRTOOLS_SCRIPT_ACTION" = post-restore ] || exit 0
            python3 {subject.Folder.At("taker")} {data} {range} </dev/null >/dev/null 2>{taken}.error &
            while [ ! -e {taken} ]; do kill -0 $! || exit 1; sleep 0.01; done
            """);
        File.SetUnixFileMode(script, (UnixFileMode)0x1c0);
        subject.Checkpoint();
        try
        {
            using CracRestoredProcess restored = subject.Restore(new() { CriuOption = new Dictionary<string, object?> { ["action-script"] = script } });

            Assert.Equal(count, restored.Warnings.Count);
            Assert.All(restored.Warnings, static warning => Assert.Contains("record lock", warning, StringComparison.Ordinal));
            Assert.All(restored.Warnings, static warning => Assert.Contains("/data: another process has taken it.", warning, StringComparison.Ordinal));
            Assert.True(ProcessStatus.TryRead(restored.Id) is { TracerProcessId: 0, HasEnded: false });
        }
        finally
        {
            CriuProgram.Kill("-KILL", File.ReadAllText(taken));
        }
    }

    [CriuFact("python3")]
    public void Locks_that_are_there_again_are_not_named()
    {
        using Subject subject = Subject.Python(
            Prelude + """
            g = os.open("other", os.O_RDWR | os.O_CREAT)
            fcntl.lockf(f, fcntl.LOCK_EX, 10, 100)
            fcntl.lockf(f, fcntl.LOCK_SH, 0, 1000)
            fcntl.flock(f, fcntl.LOCK_EX)
            fcntl.fcntl(g, 37, __import__("struct").pack("hhqqi", fcntl.F_WRLCK, 0, 5, 7, 0))
            """ + End,
            "ready");
        subject.Checkpoint();
        Assert.True(File.Exists(Path.Combine(subject.ImagePath, "filelocks.img")));

        using CracRestoredProcess restored = subject.Restore();

        Assert.Empty(restored.Warnings);
    }

    // Of /proc/locks: the kind, the access, the file and the range of each. Of processes that share their descriptors, any is the owner.
    private static string[] LocksOf(string path)
    {
        Assert.True(FileStatus.TryRead(path, 0, out FileStatus status, out _));
        return [.. File.ReadLines("/proc/locks").Where(line => line.Contains($":{status.Inode} ", StringComparison.Ordinal))
            .Select(static line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(static (_, i) => i is not (0 or 4)))).Order(StringComparer.Ordinal)];
    }

    private static bool CanLock(string path, string access, int start, int length)
    {
        (int code, string _, string error) = Helper.RunCommand(new Dictionary<string, string?>(), ["python3", "-c", Contender, path, access, $"{start}", $"{length}"]);
        Assert.True(code is 0 or 3, error);
        return code == 0;
    }

    private static string Python(string script, string argument)
    {
        (int code, string output, string error) = Helper.RunCommand(new Dictionary<string, string?>(), ["python3", "-c", script, argument]);
        Assert.True(code == 0, error);
        return output.Trim();
    }
}
