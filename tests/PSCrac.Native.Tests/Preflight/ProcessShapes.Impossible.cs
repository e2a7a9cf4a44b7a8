namespace PSCrac.Tests.Preflight;

/// <summary>Shapes that criu cannot do, whatever the options.</summary>
internal static partial class ProcessShapes
{
    private static IEnumerable<ProcessShape> Impossible() =>
    [
        new("unix socket renamed, with a relative name", ShapeNeed.Impossible, """
            s = socket.socket(socket.AF_UNIX)
            s.bind("socket.tmp"); s.listen()
            os.rename("socket.tmp", "socket")
            ready(); wait()
            c = socket.socket(socket.AF_UNIX); c.connect("socket")
            answer(True)
            """) { ExpectedText = "renamed to socket" },
        new("unix datagram socket renamed, in a folder below", ShapeNeed.Impossible, """
            os.mkdir("run")
            s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            s.bind("run/new")
            os.rename("run/new", "run/now")
            ready(); wait()
            answer(True)
            """) { ExpectedText = "renamed to run/now" },
        new("inotify on an unlinked file of tmpfs", ShapeNeed.Impossible, """
            i = libc.inotify_init1(0)
            path = "/dev/shm/pscrac-%d" % os.getpid()
            f = os.open(path, os.O_RDWR | os.O_CREAT)
            libc.inotify_add_watch(i, path.encode(), 2)
            os.unlink(path)
            ready(); wait()
            os.write(f, b"x")
            answer(len(os.read(i, 1000)) > 0)
            """) { ExpectedText = "has none any more" },
        new("file of a thread in proc", ShapeNeed.RestoreFails, """
            t = threading.Thread(target=lambda: time.sleep(600), daemon=True); t.start()
            f = os.open("/proc/self/task/%d/status" % t.native_id, os.O_RDONLY)
            ready(); wait()
            answer(b"Name:" in os.read(f, 200))
            """) { ExpectedText = "thread" },
        new("folder of a child's thread in proc", ShapeNeed.RestoreFails, """
            def body():
                threading.Thread(target=lambda: time.sleep(600), daemon=True).start()
            pid = child(body)
            while len(os.listdir("/proc/%d/task" % pid)) < 2:
                time.sleep(0.01)
            f = os.open("/proc/%d/task/%s" % (pid, max(os.listdir("/proc/%d/task" % pid), key=int)), os.O_RDONLY)
            ready(); wait()
            answer(True)
            """) { ExpectedText = "thread" },
        new("folder of descriptors of a process that has ended", ShapeNeed.Impossible, """
            pid = child(lambda: None)
            f = os.open("/proc/%d/fd" % pid, os.O_RDONLY)
            os.kill(pid, 9); os.waitpid(pid, 0)
            ready(); wait()
            answer(True)
            """) { ExpectedText = "has ended" },
        new("folder of descriptors of a process that has ended, open in a child", ShapeNeed.Impossible, """
            pid = child(lambda: None)
            def body():
                os.open("/proc/%d/fd" % pid, os.O_RDONLY)
                os.mkdir(BASE + "opened")
            holder = child(body)
            until("opened")
            os.kill(pid, 9); os.waitpid(pid, 0)
            ready(); wait()
            answer(True)
            """) { ExpectedText = "has ended" },
        new("io_uring", ShapeNeed.Impossible, """
            f = syscall(425, 8, ctypes.create_string_buffer(120))
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "io_uring", SkipReason = WhyNoSystemCall("io_uring_setup", 425, "/proc/sys/kernel/io_uring_disabled") },
        new("io_uring of MariaDB", ShapeNeed.Impossible, """
            open("/proc/self/comm", "w").write("mariadbd")
            f = syscall(425, 8, ctypes.create_string_buffer(120))
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "--innodb-use-native-aio=OFF", SkipReason = WhyNoSystemCall("io_uring_setup", 425, "/proc/sys/kernel/io_uring_disabled") },
        new("io_uring of PostgreSQL", ShapeNeed.Impossible, """
            open("/proc/self/comm", "w").write("postgres")
            f = syscall(425, 8, ctypes.create_string_buffer(120))
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "io_method=worker", SkipReason = WhyNoSystemCall("io_uring_setup", 425, "/proc/sys/kernel/io_uring_disabled") },
        new("userfaultfd", ShapeNeed.Impossible, """
            f = syscall(323, 0)
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "userfaultfd", SkipReason = OnlyOn64BitIntel },
        new("deadline scheduling", ShapeNeed.RestoreFails, """
            attr = struct.pack("IIQiIQQQ", 48, 6, 0, 0, 0, 1000000, 10000000, 10000000)
            assert syscall(314, 0, attr, 0) == 0
            ready(); wait()
            answer(True)
            """) { ExpectedText = "SCHED_DEADLINE", SkipReason = OnlyOn64BitIntel ?? WhyNoDeadline() },
        new("performance counter", ShapeNeed.Impossible, """
            attr = struct.pack("IIQQQQQ", 1, 112, 0, 0, 0, 0, 0) + bytes(72)
            f = syscall(298, attr, 0, -1, -1, 0)
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "performance counter", SkipReason = OnlyOn64BitIntel },
        new("bpf map", ShapeNeed.Impossible, """
            f = syscall(321, 0, struct.pack("IIIII", 2, 4, 4, 1, 0) + bytes(100), 120)
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "bpf map", SkipReason = OnlyOn64BitIntel },
        new("bpf program", ShapeNeed.Impossible, """
            code = ctypes.create_string_buffer(struct.pack("BBhi", 0xb7, 0, 0, 0) + struct.pack("BBhi", 0x95, 0, 0, 0))
            licence = ctypes.create_string_buffer(b"GPL")
            attr = struct.pack("IIQQ", 1, 2, ctypes.addressof(code), ctypes.addressof(licence)) + bytes(96)
            f = syscall(321, 5, attr, 120)
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "bpf", SkipReason = OnlyOn64BitIntel },
        new("virtual machine", ShapeNeed.Impossible, """
            f = os.open("/dev/kvm", os.O_RDWR)
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "/dev/kvm", SkipReason = WhyNoFile("/dev/kvm") },
        new("device file", ShapeNeed.Impossible, """
            f = os.open("/dev/fuse", os.O_RDWR)
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "/dev/fuse", SkipReason = WhyNoFile("/dev/fuse") },
        new("block device", ShapeNeed.Impossible, """
            import stat
            os.mknod("disk", stat.S_IFBLK | 0o600, os.makedev(7, 77))
            f = os.open("disk", os.O_PATH)
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "block device" },
        new("tun device", ShapeNeed.Impossible, """
            f = os.open("/dev/net/tun", os.O_RDWR)
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "tun", SkipReason = WhyNoFile("/dev/net/tun") },
        new("serial line", ShapeNeed.Impossible, """
            import stat
            os.mknod("line", stat.S_IFCHR | 0o600, os.makedev(4, 64))
            f = os.open("line", os.O_PATH)
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "terminal" },
        new("SysV segment of the machine", ShapeNeed.Impossible, """
            libc.shmat.restype = ctypes.c_void_p
            i = libc.shmget(0, 4096, 0o1600)
            a = libc.shmat(i, None, 0)
            libc.shmctl(i, 0, None)
            ready(); wait()
            answer(ctypes.string_at(a, 4) == bytes(4))
            """) { ExpectedText = "SysV" },
        new("traced by a debugger", ShapeNeed.Impossible, """
            open("pid", "w").write(str(os.getpid()))
            libc.prctl(0x59616d61, -1, 0, 0, 0)
            until("partner-ready")
            ready(); wait()
            answer(True)
            """)
        {
            Partner = """
                until("pid")
                while not open("pid").read():
                    time.sleep(0.01)
                syscall(101, 0x4206, int(open("pid").read()), 0, 0)
                ready()
                while True:
                    try:
                        pid, status = os.waitpid(-1, 0x40000000)
                        libc.ptrace(7, pid, 0, os.WSTOPSIG(status))
                    except ChildProcessError:
                        time.sleep(0.1)
                """,
            ExpectedText = "traced by",
            SkipReason = OnlyOn64BitIntel,
        },
        new("pipe in packet mode", ShapeNeed.Impossible, """
            r, w = os.pipe2(os.O_DIRECT)
            ready(); wait()
            os.write(w, b"x")
            answer(os.read(r, 10) == b"x")
            """) { ExpectedText = "packet mode" },
        new("pidfd of a process outside", ShapeNeed.Impossible, """
            f = os.pidfd_open(os.getppid())
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "outside the tree" },
        new("pidfd of a thread", ShapeNeed.Impossible, """
            ids = []
            t = threading.Thread(target=lambda: (ids.append(threading.get_native_id()), time.sleep(600)), daemon=True)
            t.start()
            while not ids:
                time.sleep(0.01)
            f = syscall(434, ids[0], os.O_EXCL)
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "pidfd of a thread", SkipReason = WhyKernelOlderThan(6, 9) },
        new("epoll that watches a file closed here", ShapeNeed.Impossible, """
            r, w = os.pipe()
            child(lambda: None)
            p = select.epoll()
            p.register(r, select.EPOLLIN)
            os.close(r); os.close(w)
            ready(); wait()
            answer(p.poll(0) == [])
            """) { ExpectedText = "epoll" },
        new("message queue", ShapeNeed.Impossible, """
            librt = ctypes.CDLL("librt.so.1", use_errno=True)
            f = librt.mq_open(b"/pscrac-%d" % os.getpid(), os.O_RDWR | os.O_CREAT, 0o600, None)
            librt.mq_unlink(b"/pscrac-%d" % os.getpid())
            ready(); wait()
            answer(f > 0)
            """) { ExpectedText = "message queue" },
        new("secret memory", ShapeNeed.Impossible, """
            f = syscall(447, 0)
            os.ftruncate(f, 4096)
            a = mmap.mmap(f, 4096)
            ready(); wait()
            answer(a[0] == 0)
            """) { ExpectedText = "secret memory", SkipReason = WhyNoSecretMemory },
        new("memory of a device", ShapeNeed.Impossible, """
            f = os.open("/dev/kmsg", os.O_RDONLY)
            g = os.open("/dev/mem", os.O_RDONLY)
            a = mmap.mmap(g, 4096, mmap.MAP_SHARED, mmap.PROT_READ)
            ready(); wait()
            answer(True)
            """) { ExpectedText = "/dev/mem", SkipReason = WhyNoFile("/dev/mem") },
        new("/dev/tty without the terminal itself", ShapeNeed.Impossible, """
            import pty
            pid, master = pty.fork()
            if pid == 0:
                f = os.open("/dev/tty", os.O_RDWR)
                n = os.open("/dev/null", os.O_RDWR)
                for g in (0, 1, 2):
                    os.dup2(n, g)
                ready()
                while True:
                    time.sleep(60)
            wait()
            answer(True)
            """) { ExpectedText = "/dev/tty" },
        new("32-bit program", ShapeNeed.Nothing, """
            import subprocess
            code = bytes.fromhex("b81d000000cd80ebf7")
            head = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
            head += struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 93, 93, 5, 4096)
            open("program", "wb").write(head + code)
            os.chmod("program", 0o700)
            p = subprocess.Popen(["./program"])
            while not os.readlink("/proc/%d/exe" % p.pid).endswith("/program"):
                time.sleep(0.001)
            ready(); wait()
            answer(p.poll() is None)
            """),
        new("two terminals from outside", ShapeNeed.Impossible, """
            until("partner-ready")
            fds = [os.open(open(BASE + n).read(), os.O_RDWR | os.O_NOCTTY) for n in ("name", "second")]
            ready(); wait()
            answer(all(os.isatty(f) for f in fds))
            """) { Partner = HoldsTerminals, ExpectedText = "second terminal" },
        new("main thread that has ended", ShapeNeed.Impossible, """
            def run():
                while open("/proc/self/task/%d/stat" % os.getpid()).read().split()[2] != "Z":
                    time.sleep(0.001)
                ready(); wait()
                answer(True)
            threading.Thread(target=run).start()
            libc.pthread_exit(None)
            """) { ExpectedText = "main thread has ended" },
        new("process of another user", ShapeNeed.Impossible, """
            ready(); wait()
            answer(True)
            """) { Wrapper = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"], ExpectedText = "user 65534", OpenFolder = true, SkipReason = WhyMayReadLimits },
        new("adopted by one who is not the root", ShapeNeed.RestoreFails, """
            r, w = os.pipe()
            def adopt():
                libc.prctl(36, 1, 0, 0, 0)
                def lead():
                    os.setsid()
                    middle = os.fork()
                    if middle == 0:
                        os.write(w, b"%d" % child(lambda: None))
                        os._exit(0)
                    os.waitpid(middle, 0)
                child(lead)
            adopter = child(adopt)
            pid = int(os.read(r, 20))
            while open("/proc/%d/stat" % pid).read().split()[3] != str(adopter):
                time.sleep(0.001)
            ready(); wait()
            answer(True)
            """) { ExpectedText = "not its ancestor" },
    ];
}
