namespace PSCrac.Tests.Preflight;

/// <summary>Shapes that criu does with no option.</summary>
internal static partial class ProcessShapes
{
    private static IEnumerable<ProcessShape> Plain() =>
    [
        new("counter in memory", ShapeNeed.Nothing, """
            n = 0
            ready()
            while not os.path.exists("go"):
                n += 1
                time.sleep(0.002)
            answer(n > 0)
            """),
        new("address space that is not randomized", ShapeNeed.Nothing, """
            libc.personality(0x0040000)
            ready(); wait()
            answer(True)
            """) { ExpectedWarning = "ADDR_NO_RANDOMIZE" },
        new("old version of the kernel shown", ShapeNeed.Nothing, """
            ready(); wait()
            answer(True)
            """) { Wrapper = ["setarch", "--uname-2.6"], ExpectedWarning = "UNAME26" },
        new("round-robin scheduling", ShapeNeed.Nothing, """
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(7))
            ready(); wait()
            answer(os.sched_getscheduler(0) == os.SCHED_RR and os.sched_getparam(0).sched_priority == 7)
            """) { SkipReason = WhyNoRealTime() },
        new("batch scheduling of a thread", ShapeNeed.Nothing, """
            state = {}
            def run():
                os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))
                ready(); wait()
                state["policy"] = os.sched_getscheduler(0)
            t = threading.Thread(target=run); t.start(); t.join()
            answer(state["policy"] & 0xff == os.SCHED_BATCH)
            """),
        new("three-level tree", ShapeNeed.Nothing, """
            r, w = os.pipe()
            def grandchild():
                os.write(w, b"%d" % os.getppid())
            middle = child(lambda: child(grandchild))
            said = int(os.read(r, 20))
            ready(); wait()
            answer(said == middle and os.path.exists("/proc/%d" % middle))
            """),
        new("eight threads", ShapeNeed.Nothing, """
            counts = [0] * 8
            def run(i):
                while True:
                    counts[i] += 1
                    time.sleep(0.001)
            for i in range(8):
                threading.Thread(target=run, args=(i,), daemon=True).start()
            while min(counts) == 0:
                time.sleep(0.001)
            ready(); wait()
            before = list(counts)
            time.sleep(0.1)
            answer(all(a > b for a, b in zip(counts, before)))
            """),
        new("pipe with data in it, both ends here", ShapeNeed.Nothing, """
            r, w = os.pipe()
            os.write(w, b"kept")
            ready(); wait()
            answer(os.read(r, 10) == b"kept")
            """),
        new("file open at a position", ShapeNeed.Nothing, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, b"0123456789")
            os.lseek(f, 4, 0)
            ready(); wait()
            answer(os.read(f, 3) == b"456")
            """),
        new("folder open", ShapeNeed.Nothing, """
            d = os.open(".", os.O_RDONLY)
            ready(); wait()
            answer("ready" in os.listdir(d))
            """),
        new("fifo", ShapeNeed.Nothing, """
            os.mkfifo("pipe")
            f = os.open("pipe", os.O_RDWR)
            os.write(f, b"kept")
            ready(); wait()
            answer(os.read(f, 10) == b"kept")
            """),
        new("null, zero and urandom open", ShapeNeed.Nothing, """
            fds = [os.open("/dev/" + n, os.O_RDWR) for n in ("null", "zero", "urandom", "full")]
            ready(); wait()
            answer(os.read(fds[1], 4) == bytes(4) and os.read(fds[2], 8) != bytes(8))
            """),
        new("file of its own in proc", ShapeNeed.Nothing, """
            f = os.open("/proc/self/status", os.O_RDONLY)
            ready(); wait()
            answer(b"Name:" in os.read(f, 200))
            """),
        new("removed folder, and a removed file that was in it", ShapeNeed.Nothing, """
            os.mkdir("gone")
            d = os.open("gone", os.O_RDONLY)
            f = os.open("gone/file", os.O_RDWR | os.O_CREAT)
            os.write(f, b"kept")
            os.unlink("gone/file"); os.rmdir("gone")
            ready(); wait()
            answer(os.pread(f, 10, 0) == b"kept" and os.listdir(d) == [] and not os.path.exists("gone"))
            """),
        new("removed folder below a removed working folder", ShapeNeed.Nothing, """
            os.makedirs("gone/below")
            a, b = os.open("gone", os.O_RDONLY), os.open("gone/below", os.O_RDONLY)
            os.chdir("gone")
            os.rmdir("below"); os.rmdir("../gone")
            ready(); wait()
            answer(os.listdir(a) == os.listdir(b) == [] and not os.path.exists(BASE + "gone"))
            """),
        new("task folder in proc, and the main thread's file", ShapeNeed.Nothing, """
            d = os.open("/proc/self/task", os.O_RDONLY)
            f = os.open("/proc/self/task/%d/status" % os.getpid(), os.O_RDONLY)
            ready(); wait()
            answer(os.listdir(d) == [str(os.getpid())] and b"Name:" in os.read(f, 200))
            """),
        new("epoll, eventfd, signalfd, timerfd", ShapeNeed.Nothing, """
            e = os.eventfd(7)
            s = libc.signalfd(-1, ctypes.byref(ctypes.c_uint64(1 << (signal.SIGUSR1 - 1))), 0)
            t = libc.timerfd_create(1, 0)
            p = select.epoll()
            for f in (e, s, t):
                p.register(f, select.EPOLLIN)
            ready(); wait()
            answer([f for f, _ in p.poll(1)] == [e] and os.eventfd_read(e) == 7)
            """),
        new("inotify on a folder", ShapeNeed.Nothing, """
            i = libc.inotify_init1(0)
            os.mkdir("watched")
            libc.inotify_add_watch(i, b"watched", 0x100)
            ready(); wait()
            open("watched/new", "w").close()
            answer(b"new" in os.read(i, 1000))
            """),
        new("inotify on a tmpfs folder", ShapeNeed.Nothing, """
            import tempfile
            folder = tempfile.mkdtemp(dir="/dev/shm")
            i = libc.inotify_init1(0)
            libc.inotify_add_watch(i, folder.encode(), 0x100)
            ready(); wait()
            open(folder + "/new", "w").close()
            seen = b"new" in os.read(i, 1000)
            os.unlink(folder + "/new"); os.rmdir(folder)
            answer(seen)
            """),
        new("inotify on an unlinked file that is open", ShapeNeed.Nothing, """
            i = libc.inotify_init1(0)
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            libc.inotify_add_watch(i, b"data", 2)
            os.unlink("data")
            ready(); wait()
            os.write(f, b"x")
            answer("inotify wd:" not in open("/proc/self/fdinfo/%d" % i).read())
            """) { ExpectedWarning = "does not come back" },
        new("inotify on an unlinked file that is mapped", ShapeNeed.Nothing, """
            i = libc.inotify_init1(0)
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, b"kept" * 1024)
            a = mmap.mmap(f, 4096)
            os.close(f)
            libc.inotify_add_watch(i, b"data", 2)
            os.unlink("data")
            ready(); wait()
            answer(a[:4] == b"kept" and "inotify wd:" not in open("/proc/self/fdinfo/%d" % i).read())
            """) { ExpectedWarning = "inotify watch on an unlinked file" },
        new("shared memory, mapped and open", ShapeNeed.Nothing, """
            a = mmap.mmap(-1, 4096)
            area = next(l.split()[0] for l in open("/proc/self/maps") if "/dev/zero (deleted)" in l)
            f = os.open("/proc/self/map_files/" + area, os.O_RDWR)
            a[0:4] = b"kept"
            ready(); wait()
            a[4:8] = b"more"
            answer(os.pread(f, 8, 0) == b"keptmore")
            """),
        new("shared memory, open only and mapped privately by a child", ShapeNeed.Nothing, """
            a = mmap.mmap(-1, 4096)
            area = next(l.split()[0] for l in open("/proc/self/maps") if "/dev/zero (deleted)" in l)
            f = os.open("/proc/self/map_files/" + area, os.O_RDWR)
            a.close()
            os.write(f, b"kept")
            def body():
                b = mmap.mmap(f, 4096, mmap.MAP_PRIVATE)
                while True:
                    time.sleep(60)
            child(body)
            ready(); wait()
            answer(os.pread(f, 4, 0) == b"kept" and os.lseek(f, 0, os.SEEK_CUR) == 4)
            """),
        new("memory file", ShapeNeed.Nothing, """
            m = os.memfd_create("name")
            os.write(m, b"kept")
            a = mmap.mmap(m, 4)
            ready(); wait()
            answer(a[:4] == b"kept" and os.pread(m, 4, 0) == b"kept")
            """),
        new("memory shared with a child", ShapeNeed.Nothing, """
            a = mmap.mmap(-1, 4096)
            def count():
                while True:
                    a[0] = (a[0] + 1) % 256
                    time.sleep(0.001)
            child(count)
            ready(); wait()
            before = a[0]
            time.sleep(0.05)
            answer(a[0] != before)
            """),
        new("file mapped shared and private", ShapeNeed.Nothing, """
            open("data", "w").write("0123456789")
            f = open("data", "r+b")
            a = mmap.mmap(f.fileno(), 10)
            b = mmap.mmap(f.fileno(), 10, mmap.MAP_PRIVATE)
            b[0:1] = b"x"
            ready(); wait()
            a[9:10] = b"y"
            answer(b[0:2] == b"x1" and open("data").read() == "012345678y")
            """),
        new("small unlinked file", ShapeNeed.Nothing, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, b"kept")
            os.unlink("data")
            ready(); wait()
            answer(os.pread(f, 10, 0) == b"kept" and not os.path.exists("data"))
            """),
        new("nameless temporary file (O_TMPFILE)", ShapeNeed.Nothing, """
            f = os.open(".", os.O_RDWR | os.O_TMPFILE)
            os.write(f, b"kept")
            ready(); wait()
            answer(os.pread(f, 10, 0) == b"kept")
            """),
        new("long unlinked file with little in it", ShapeNeed.Nothing, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.ftruncate(f, 1 << 30)
            os.pwrite(f, b"kept", 1 << 29)
            os.unlink("data")
            ready(); wait()
            answer(os.pread(f, 4, 1 << 29) == b"kept" and os.fstat(f).st_size == 1 << 30)
            """),
        new("small unlinked file, mapped only", ShapeNeed.Nothing, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            os.write(f, b"kept" * 1024)
            a = mmap.mmap(f, 4096)
            os.close(f)
            os.unlink("data")
            ready(); wait()
            answer(a[:4] == b"kept")
            """),
        new("working folder removed", ShapeNeed.Nothing, """
            os.mkdir("gone")
            os.chdir("gone")
            os.rmdir(BASE + "gone")
            ready(); wait()
            answer(os.readlink("/proc/self/cwd").endswith("(deleted)"))
            """),
        new("zombie child", ShapeNeed.Nothing, """
            pid = os.fork()
            if pid == 0:
                os._exit(7)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            ready(); wait()
            answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7)
            """),
        new("stopped child", ShapeNeed.Nothing, """
            pid = child(lambda: None)
            os.kill(pid, signal.SIGSTOP)
            os.waitpid(pid, os.WUNTRACED)
            ready(); wait()
            answer(open("/proc/%d/stat" % pid).read().split()[2] == "T")
            """),
        new("child in a session of its own", ShapeNeed.Nothing, """
            pid = child(os.setsid)
            while os.getsid(pid) != pid:
                time.sleep(0.001)
            ready(); wait()
            answer(os.getsid(pid) == pid)
            """),
        new("adopted child whose session's leader has ended", ShapeNeed.Nothing, """
            libc.prctl(36, 1, 0, 0, 0)
            r, w = os.pipe()
            leader = os.fork()
            if leader == 0:
                os.setsid()
                pid = child(lambda: None)
                os.write(w, b"%d" % pid)
                os._exit(0)
            os.waitpid(leader, 0)
            pid = int(os.read(r, 20))
            ready(); wait()
            answer(os.getsid(pid) == leader, os.getsid(pid), leader)
            """),
        new("adopted child of a session that goes on", ShapeNeed.Nothing, RestoreSituation.AdoptedChild),
        new("seccomp filter", ShapeNeed.Nothing, """
            allow = struct.pack("HBBI", 6, 0, 0, 0x7fff0000)
            code = ctypes.create_string_buffer(allow)
            program = struct.pack("HxxxxxxP", 1, ctypes.addressof(code))
            libc.prctl(38, 1, 0, 0, 0)
            if libc.prctl(22, 2, program, 0, 0) != 0:
                raise OSError(ctypes.get_errno())
            ready(); wait()
            answer("Seccomp:\t2" in open("/proc/self/status").read())
            """),
        new("pidfd of a child", ShapeNeed.Nothing, """
            pid = child(lambda: None)
            f = os.pidfd_open(pid)
            ready(); wait()
            signal.pidfd_send_signal(f, signal.SIGKILL)
            answer(os.waitpid(pid, 0)[1] == signal.SIGKILL)
            """),
        new("pidfd of a child that has ended", ShapeNeed.Nothing, """
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            f = os.pidfd_open(pid)
            os.waitpid(pid, 0)
            ready(); wait()
            answer(fails(lambda: signal.pidfd_send_signal(f, 0)))
            """),
        new("interval timer that ticks", ShapeNeed.Nothing, """
            ticks = 0
            def tick(*_):
                global ticks
                ticks += 1
            signal.signal(signal.SIGALRM, tick)
            signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
            ready(); wait()
            before = ticks
            time.sleep(0.1)
            answer(ticks > before)
            """),
        new("timer of timer_create", ShapeNeed.Nothing, """
            ticks = 0
            def tick(*_):
                global ticks
                ticks += 1
            signal.signal(signal.SIGALRM, tick)
            t = ctypes.c_void_p()
            if libc.timer_create(1, None, ctypes.byref(t)) != 0:
                raise OSError(ctypes.get_errno())
            libc.timer_settime(t, 0, struct.pack("qqqq", 0, 10000000, 0, 10000000), None)
            ready(); wait()
            before = ticks
            time.sleep(0.1)
            answer(ticks > before)
            """),
        new("blocked signal that waits", ShapeNeed.Nothing, """
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
            os.kill(os.getpid(), signal.SIGUSR1)
            ready(); wait()
            answer(signal.sigwait([signal.SIGUSR1]) == signal.SIGUSR1)
            """),
        new("terminal with both ends here", ShapeNeed.Nothing, """
            import pty
            pid, master = pty.fork()
            if pid == 0:
                while True:
                    line = sys.stdin.readline()
                    sys.stdout.write("said " + line)
                    sys.stdout.flush()
            ready(); wait()
            os.write(master, b"hello\n")
            said = b""
            while b"said hello" not in said:
                said += os.read(master, 100)
            answer(True)
            """),
        new("locked memory", ShapeNeed.Nothing, """
            a = mmap.mmap(-1, 65536)
            b = (ctypes.c_char * 65536).from_buffer(a)
            b[0:4] = b"kept"
            if libc.mlock(ctypes.byref(b), 65536) != 0:
                raise OSError(ctypes.get_errno())
            ready(); wait()
            answer(b[0:4] == b"kept" and "VmLck:\t      64 kB" in open("/proc/self/status").read())
            """),
        new("asynchronous I/O ring", ShapeNeed.Nothing, """
            ring = ctypes.c_void_p()
            syscall(206, 8, ctypes.byref(ring))
            ready(); wait()
            answer("[aio]" in open("/proc/self/maps").read())
            """) { SkipReason = OnlyOn64BitIntel },
        new("chroot", ShapeNeed.Nothing, """
            os.mkdir("root")
            open("root/inside", "w").close()
            os.chroot("root")
            os.chdir("/")
            f = os.open("/inside", os.O_RDONLY)
            BASE = "/"
            ready(); wait()
            answer(os.path.exists("/inside"))
            """) { Folder = "root/" },
        new("stopped root", ShapeNeed.Nothing, """
            ready()
            os.kill(os.getpid(), signal.SIGSTOP)
            wait()
            answer(True)
            """) { IsStopped = true },
        new("program file removed", ShapeNeed.Nothing, """
            import shutil
            shutil.copy(shutil.which("sleep"), "program")
            import subprocess
            p = subprocess.Popen(["./program", "600"], close_fds=True)
            while not os.readlink("/proc/%d/exe" % p.pid).endswith("/program"):
                time.sleep(0.001)
            os.unlink("program")
            ready(); wait()
            answer(os.readlink("/proc/%d/exe" % p.pid).endswith("program (deleted)"))
            """),
        new("file opened only by its path (O_PATH)", ShapeNeed.Nothing, """
            open("data", "w").close()
            os.symlink("data", "link")
            f = os.open("data", os.O_PATH)
            g = os.open("link", os.O_PATH | os.O_NOFOLLOW)
            ready(); wait()
            answer(os.fstat(f).st_size == 0 and os.readlink("", dir_fd=g) == "data")
            """),
        new("descriptor under way in a unix socket", ShapeNeed.Nothing, """
            a, b = socket.socketpair()
            r, w = os.pipe()
            os.write(w, b"kept")
            socket.send_fds(a, [b"x"], [r])
            ready(); wait()
            _, fds, _, _ = socket.recv_fds(b, 10, 1)
            answer(os.read(fds[0], 10) == b"kept")
            """),
        new("pipe whose other end is outside", ShapeNeed.Nothing, """
            ready(); wait()
            os.set_blocking(0, False)
            answer(os.read(0, 10) == b"")
            """) { Wrapper = ["sh", "-c", "sleep 600 | exec \"$@\"", "sh"], SkipReason = "the shell that makes the pipe would be the tree's root" },
        new("fanotify", ShapeNeed.Nothing, """
            f = libc.fanotify_init(0, os.O_RDONLY)
            os.mkdir("watched")
            libc.fanotify_mark(f, 1, ctypes.c_uint64(0x20 | 0x08000000), -100, b"watched")
            ready(); wait()
            open("watched/new", "w").close()
            answer(len(os.read(f, 1000)) > 0)
            """),
        new("private memory of a device: zero", ShapeNeed.Nothing, """
            f = os.open("/dev/zero", os.O_RDWR)
            a = mmap.mmap(f, 4096, mmap.MAP_PRIVATE)
            a[0:4] = b"kept"
            ready(); wait()
            answer(a[0:4] == b"kept")
            """),
        new("hundred descriptors on one file", ShapeNeed.Nothing, """
            f = os.open("data", os.O_RDWR | os.O_CREAT)
            fds = [os.dup(f) for _ in range(100)]
            ready(); wait()
            os.write(fds[99], b"x")
            answer(os.lseek(fds[0], 0, os.SEEK_CUR) == 1)
            """),
        new("limits, priority and name", ShapeNeed.Nothing, """
            resource.setrlimit(resource.RLIMIT_NOFILE, (123, 456))
            os.setpriority(os.PRIO_PROCESS, 0, 5)
            open("/proc/self/comm", "w").write("a) S 1 (b")
            ready(); wait()
            answer(resource.getrlimit(resource.RLIMIT_NOFILE) == (123, 456) and os.getpriority(os.PRIO_PROCESS, 0) == 5
                and open("/proc/self/comm").read() == "a) S 1 (b\n")
            """),
    ];
}
