using PSCrac.Options;

namespace PSCrac.Tests.Preflight;

/// <summary>Shapes that need options which lose nothing, apart from sockets.</summary>
internal static partial class ProcessShapes
{
    private static IEnumerable<ProcessShape> WithOptions() =>
    [
        new("record lock", ShapeNeed.ChosenOptions, """
            f = os.open("lock", os.O_RDWR | os.O_CREAT)
            fcntl.lockf(f, fcntl.LOCK_EX, 10, 5)
            ready(); wait()
            pid = os.fork()
            if pid == 0:
                os._exit(0 if fails(lambda: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 6)) else 1)
            answer(os.waitpid(pid, 0)[1] == 0)
            """) { ExpectedText = "record lock" },
        new("flock shared with a child", ShapeNeed.ChosenOptions, """
            f = os.open("lock", os.O_RDWR | os.O_CREAT)
            fcntl.flock(f, fcntl.LOCK_EX)
            child(lambda: None)
            ready(); wait()
            g = os.open("lock", os.O_RDWR)
            answer(fails(lambda: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)))
            """) { ExpectedText = "flock" },
        new("shared flock", ShapeNeed.ChosenOptions, """
            f = os.open("lock", os.O_RDONLY | os.O_CREAT)
            fcntl.flock(f, fcntl.LOCK_SH)
            ready(); wait()
            g = os.open("lock", os.O_RDWR)
            fcntl.flock(g, fcntl.LOCK_SH | fcntl.LOCK_NB)
            answer(fails(lambda: fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)))
            """) { ExpectedText = "shared lock" },
        new("open-file lock", ShapeNeed.ChosenOptions, """
            f = os.open("lock", os.O_RDWR | os.O_CREAT)
            fcntl.fcntl(f, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
            ready(); wait()
            g = os.open("lock", os.O_RDWR)
            answer(fails(lambda: fcntl.fcntl(g, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))))
            """) { ExpectedText = "open-file lock" },
        new("record lock on a file that is mapped", ShapeNeed.ChosenOptions, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, bytes(4096))
            fcntl.lockf(f, fcntl.LOCK_SH, 1, 120)
            a = mmap.mmap(f, 4096)
            ready(); wait()
            answer(a[0] == 0 and refused(fcntl.LOCK_EX, 1, 120) and not refused(fcntl.LOCK_SH, 1, 120) and not refused(fcntl.LOCK_EX, 1, 121))
            """) { ExpectedText = "which criu alone does not" },
        new("record lock on a file that is mapped by its other name", ShapeNeed.ChosenOptions, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, bytes(4096))
            os.link("data", "other")
            fcntl.lockf(f, fcntl.LOCK_EX)
            g = os.open("other", os.O_RDONLY)
            a = mmap.mmap(g, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ)
            os.close(os.dup(2))
            ready(); wait()
            answer(a[0] == 0 and refused(fcntl.LOCK_SH, 1, 1 << 40))
            """) { ExpectedText = "which the process also maps" },
        new("record locks of a child and its parent on one mapped file", ShapeNeed.ChosenOptions, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, bytes(4096))
            a = mmap.mmap(f, 4096)
            fcntl.lockf(f, fcntl.LOCK_SH, 10, 0)
            def body():
                g = os.open("data", os.O_RDWR)
                fcntl.lockf(g, fcntl.LOCK_SH, 10, 0)
                fcntl.lockf(g, fcntl.LOCK_EX, 5, 20)
                a[1] = 1
                while True:
                    time.sleep(60)
            child(body)
            while not a[1]: time.sleep(0.01)
            ready(); wait()
            held = [line for line in open("/proc/locks") if ":%d " % os.fstat(f).st_ino in line]
            answer(len(held) == 3 and refused(fcntl.LOCK_EX, 1, 3) and refused(fcntl.LOCK_SH, 1, 22), held)
            """) { ExpectedText = "which the process also maps" },
        new("record lock on the database of a program that maps all of it", ShapeNeed.ChosenOptions, """
            import sqlite3
            base = sqlite3.connect("base", isolation_level=None)
            base.execute("pragma mmap_size=1048576")
            base.execute("create table t(n)")
            base.execute("begin exclusive")
            base.execute("insert into t values(1)")
            ready(); wait()
            def tries():
                other = sqlite3.connect("base", isolation_level=None, timeout=0)
                try:
                    other.execute("insert into t values(2)")
                    os._exit(1)
                except sqlite3.OperationalError:
                    os._exit(0)
            refused = os.waitstatus_to_exitcode(os.waitpid(child(tries), 0)[1]) == 0
            base.execute("commit")
            answer(refused and base.execute("select count(*) from t").fetchone() == (1,))
            """) { ExpectedText = "record lock" },
        new("record locks of workers on a file that they inherited", ShapeNeed.ChosenOptions, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, bytes(4096))
            fcntl.lockf(f, fcntl.LOCK_EX, 1, 0)
            def worker(n):
                def body():
                    fcntl.lockf(f, fcntl.LOCK_EX if n % 2 else fcntl.LOCK_SH, 5, n * 10)
                    fcntl.lockf(os.dup(f), fcntl.LOCK_EX, 0, n * 1000)
                    os.mkdir(f"worker-{n}")
                    while True:
                        time.sleep(60)
                return body
            child(worker(1))
            until("worker-1")
            ready(); wait()
            held = [line.split()[3:] for line in open("/proc/locks") if ":%d " % os.fstat(f).st_ino in line]
            answer(len(held) == 3 and refused(fcntl.LOCK_EX, 1, 0) and refused(fcntl.LOCK_SH, 1, 12) and refused(fcntl.LOCK_SH, 1, 99999) and not refused(fcntl.LOCK_EX, 1, 500), held)
            """) { ExpectedText = "record lock" },
        new("record lock on a file that another process maps", ShapeNeed.ChosenOptions, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, bytes(4096))
            r, w = os.pipe()
            def body():
                g = os.open("data", os.O_RDWR)
                a = mmap.mmap(g, 4096)
                os.write(w, b"x")
                while True:
                    time.sleep(60)
            child(body)
            os.read(r, 1)
            fcntl.lockf(f, fcntl.LOCK_EX)
            ready(); wait()
            def tries():
                g = os.open("data", os.O_RDWR)
                try:
                    fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os._exit(1)
                except OSError:
                    os._exit(0)
            answer(os.waitstatus_to_exitcode(os.waitpid(child(tries), 0)[1]) == 0)
            """) { ExpectedText = "record lock" },
        new("open-file lock on a file that is mapped", ShapeNeed.ChosenOptions, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, bytes(4096))
            a = mmap.mmap(f, 4096)
            fcntl.fcntl(f, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
            ready(); wait()
            g = os.open("data", os.O_RDWR)
            answer(fails(lambda: fcntl.fcntl(g, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))))
            """) { ExpectedText = "open-file lock" },
        new("lease", ShapeNeed.ChosenOptions, """
            open("leased", "w").close()
            f = os.open("leased", os.O_RDONLY)
            fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            ready(); wait()
            answer(fcntl.fcntl(f, fcntl.F_GETLEASE) == fcntl.F_RDLCK)
            """) { ExpectedText = "lease" },
        new("unlinked file of 4 MiB", ShapeNeed.ChosenOptions, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, b"x" * (4 << 20))
            os.unlink("data")
            ready(); wait()
            answer(os.fstat(f).st_size == 4 << 20 and os.pread(f, 1, (4 << 20) - 1) == b"x")
            """) { ExpectedText = "-GhostLimit" },
        new("unlinked file of 3 MiB, mapped only", ShapeNeed.ChosenOptions, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, b"x" * (3 << 20))
            a = mmap.mmap(f, 3 << 20, mmap.MAP_PRIVATE, mmap.PROT_READ)
            os.close(f)
            os.unlink("data")
            ready(); wait()
            answer(a[(3 << 20) - 1:] == b"x")
            """) { ExpectedText = "-GhostLimit" },
        new("unlinked file with another name", ShapeNeed.ChosenOptions, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, b"kept")
            os.link("data", "other")
            os.unlink("data")
            ready(); wait()
            answer(os.pread(f, 10, 0) == b"kept" and os.path.sameopenfile(f, os.open("other", 0)))
            """) { ExpectedText = "-LinkRemap" },
        new("inotify on the folder of terminals", ShapeNeed.ChosenOptions, """
            i = libc.inotify_init1(0)
            libc.inotify_add_watch(i, b"/dev/pts", 0x100)
            ready(); wait()
            os.openpty()
            answer(len(os.read(i, 1000)) > 0)
            """) { SkipReason = WhyKernelOlderThan(6, 5), ExpectedText = "irmap-scan-path' = '/dev/pts'" },
        new("inotify on two folders of proc and sysfs", ShapeNeed.ChosenOptions, """
            i = libc.inotify_init1(0)
            watches = lambda: [l.split()[1:4] for l in open("/proc/self/fdinfo/%d" % i) if l.startswith("inotify")]
            for path in b"/proc/sys", b"/sys/class/net":
                libc.inotify_add_watch(i, path, 2)
            before = watches()
            ready(); wait()
            answer(len(before) == 2 and watches() == before, before, watches())
            """) { SkipReason = WhyKernelOlderThan(6, 5), ExpectedText = "'/sys/class/net', '/proc/sys'" },
        new("fanotify on a folder of sysfs", ShapeNeed.ChosenOptions, """
            f = libc.fanotify_init(0, os.O_RDONLY)
            libc.fanotify_mark(f, 1, ctypes.c_uint64(0x20 | 0x08000000), -100, b"/sys/class/net")
            ready(); wait()
            os.listdir("/sys/class/net"); open("/sys/class/net/lo/mtu").close()
            answer("fanotify ino:" in open("/proc/self/fdinfo/%d" % f).read())
            """) { SkipReason = WhyKernelOlderThan(6, 5), ExpectedText = "fanotify watch on /sys/class/net" },
        new("session that began outside", ShapeNeed.ChosenOptions, """
            n = 41
            ready(); wait()
            answer(n + 1 == 42)
            """) { HasLeader = true, ExpectedText = "-ShellJob" },
        new("terminal from outside", ShapeNeed.ChosenOptions, """
            until("partner-ready")
            name = open(BASE + "name").read()
            f = os.open(name, os.O_RDWR | os.O_NOCTTY)
            ready(); wait()
            answer(os.isatty(f) or os.readlink("/proc/self/fd/%d" % f) == "/dev/null")
            """) { Partner = HoldsTerminals, ExpectedText = "terminal" },
    ];

    private const string HoldsTerminals = """
        pairs = [os.openpty(), os.openpty()]
        open("name", "w").write(os.ttyname(pairs[0][1]))
        open("second", "w").write(os.ttyname(pairs[1][1]))
        ready()
        time.sleep(60)
        """;
}
