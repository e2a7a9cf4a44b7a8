using PSCrac.Options;

namespace PSCrac.Tests.Criu;

/// <summary>Programs that criu fails to dump, by the row of the table with the reason.</summary>
internal static class DumpFailures
{
    internal sealed record Case(string Row, string Script)
    {
        internal CheckpointOptions Options { get; init; } = new();

        internal int Target { get; init; }

        internal string[] Prefix { get; init; } = [];

        /// <summary>The first criu that can do it; null for none.</summary>
        internal Version? DoneSince { get; init; }
    }

    private static readonly CheckpointOptions Job = new() { ShellJob = true };

    // A child with one end of a socket pair whose other end its parent has, outside the tree.
    private static string Pair(string type) => $"""
        a, b = socket.socketpair(socket.AF_UNIX, socket.{type})
        if os.fork(): a.close()
        else: b.close()
        """;

    /// <summary>A session leader with a terminal of its own, and its job.</summary>
    internal const string JobOnTerminal = """
        master, slave = os.openpty()
        if os.fork() == 0:
            os.setsid()
            fcntl.ioctl(slave, 0x540E, 0)
            os.close(master)
            if os.fork() == 0:
                os.setpgid(0, 0)
                os.dup2(slave, 0)
                os.close(slave)
        """;

    internal static readonly Case[] All =
    [
        new("connected tcp socket", "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname()); a, _ = s.accept()"),
        new("unsent datagram", "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(17, 1, 1); s.connect(('127.0.0.1', 9)); s.send(b'x')"),
        new("tcp connection not accepted", """
            s = socket.create_server(('127.0.0.1', 0))
            r, w = os.pipe()
            if os.fork() == 0:
                os.setsid()
                c = socket.create_connection(s.getsockname())
                s.close()
                os.write(w, b"x")
                signal.pause()
            os.read(r, 1)
            """) { Options = new() { TcpEstablished = true } },
        new("netlink data", """
            s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            s.bind((0, 0))
            s.send(struct.pack("=LHHLLBxxx", 20, 18, 0x301, 1, 0, 0))
            s.recv(1, socket.MSG_PEEK)
            """),
        new("unix client gone", "s = socket.socket(socket.AF_UNIX); s.bind('s'); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect('s'); c.close()"),
        new("mptcp socket", "s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)"),
        new("socket family", """
            for family, kind in (40, socket.SOCK_STREAM), (44, socket.SOCK_RAW):
                try: s = socket.socket(family, kind); break
                except OSError: pass
            """),
        new("unix socket renamed", "s = socket.socket(socket.AF_UNIX); s.bind('s.tmp'); s.listen(); os.rename('s.tmp', 's')"),
        new("unix peer outside", Pair("SOCK_STREAM")) { Target = 1, Options = Job },
        new("unix stream peer outside", Pair("SOCK_STREAM")) { Target = 1, Options = Job with { ExternalUnixSocket = true } },
        new("nameless unix peer outside", Pair("SOCK_DGRAM")) { Target = 1, Options = Job with { ExternalUnixSocket = true } },
        new("message with credentials", """
            a, b = socket.socketpair()
            b.setsockopt(socket.SOL_SOCKET, 16, 1)
            a.sendmsg([b"x"], [(socket.SOL_SOCKET, 2, struct.pack("iii", os.getpid(), 0, 0))])
            """) { DoneSince = new(4, 3) },
        new("packet pipe", "r, w = os.pipe2(os.O_DIRECT); os.write(w, b'x')"),
        new("terminal", JobOnTerminal) { Target = 2 },
        new("terminal from outside", """
            master, slave = os.openpty()
            if os.fork() == 0:
                os.setsid()
                os.close(master)
            """) { Target = 1 },
        new("/dev/tty alone", """
            master, slave = os.openpty()
            r, w = os.pipe()
            if os.fork() == 0:
                os.setsid()
                fcntl.ioctl(slave, 0x540E, 0)
                tty = os.open("/dev/tty", os.O_RDWR)
                os.close(slave)
                os.write(w, b"x")
                signal.pause()
            os.read(r, 1)
            """),
        new("session leader outside", "os.fork()") { Target = 1 },
        new("session in another pid namespace", "") { Target = 1, Prefix = ["unshare", "--pid", "--fork"] },
        new("pid namespace", "if os.fork() == 0: os.setsid()") { Target = 2, Prefix = ["unshare", "--pid", "--fork"] },
        new("nested namespace", """
            r, w = os.pipe()
            if os.fork() == 0:
                libc.unshare(0x04000000)
                os.write(w, b"x")
                signal.pause()
            os.read(r, 1)
            """),
        new("user namespace", "libc.unshare(0x10000000)"),
        new("mount out of sight", "call(428, -100, b'/tmp', 1)"),
        new("freeze timeout", """
            print("ready", flush=True)
            if call(220 if arm else 56, 0x4000 | 17, 0, 0, 0, 0) == 0: libc.sleep(600)
            """)
        { Options = new() { FreezeTimeout = TimeSpan.FromSeconds(1) } },
        new("ended main thread", """
            r, w = os.pipe()
            if os.fork() == 0:
                def wait_for_end():
                    while open(f"/proc/{os.getpid()}/task/{os.getpid()}/stat").read().split()[2] != "Z": time.sleep(0.005)
                    os.write(w, b"x")
                    time.sleep(600)
                threading.Thread(target=wait_for_end).start()
                libc.syscall(93 if arm else 60, 0)
            os.read(r, 1)
            """),
        new("locks", "f = open('lock', 'w'); fcntl.flock(f, fcntl.LOCK_EX)"),
        new("ghost file too large", "f = open('ghost', 'wb'); f.write(b'x' * (3 << 20)); f.flush(); os.unlink('ghost')"),
        new("linked file needs remap", "f = open('a', 'w'); f.write('x'); f.flush(); os.link('a', 'b'); os.unlink('a')"),
        new("watch on unlinked file", """
            path = b"/dev/shm/pscrac-%d" % os.getpid()
            f = os.open(path, os.O_RDWR | os.O_CREAT)
            libc.inotify_add_watch(libc.inotify_init1(0), path, 2)
            os.unlink(path)
            """),
        new("watch without a handle", """
            libc.inotify_add_watch(libc.inotify_init1(0), b"/proc/sys", 2)
            """),
        new("folder of an ended process", """
            pid = os.fork()
            if pid == 0: signal.pause()
            f = os.open(f"/proc/{pid}/fd", os.O_RDONLY)
            os.kill(pid, 9); os.waitpid(pid, 0)
            """),
        new("epoll of a closed file", """
            import select
            a, b = os.pipe()
            if os.fork() == 0: signal.pause()
            p = select.epoll()
            p.register(a, select.EPOLLIN)
            os.close(a)
            """),
        new("SysV shared memory", """
            i = libc.shmget(0, 4096, 0o1600)
            libc.shmat.restype = ctypes.c_void_p
            libc.shmat(i, None, 0)
            libc.shmctl(i, 0, None)
            """),
        new("helper link taken", """
            f = open('a', 'w'); f.write('x'); f.flush(); os.link('a', 'b'); os.unlink('a')
            for n in range(1000): open(f'link_remap.{n}', 'w').close()
            """) { Options = new() { LinkRemap = true } },
        new("io_uring", "call(425, 4, ctypes.create_string_buffer(120))"),
        new("strange mapping", "m = mmap.mmap(call(425, 4, ctypes.create_string_buffer(120)), 4096)"),
        new("bpf", "call(280 if arm else 321, 0, ctypes.create_string_buffer(struct.pack('IIIII', 1, 4, 4, 8, 0) + bytes(100)), 120)"),
        new("descriptor of a kind", "call(430, b'tmpfs', 0)"),
        new("pidfd of a thread", "call(434, os.getpid(), os.O_EXCL)"),
        new("pidfd outside", "os.pidfd_open(os.getppid())"),
        new("parent missing", "") { Options = new() { ParentImage = "../nothing" } },
        new("unknown option", "") { Options = With("no-such-option", true) },
        new("option without value", "") { Options = With("skip-mnt", true) },
        new("option value", "") { Options = With("network-lock", "fog") },
    ];

    private static CheckpointOptions With(string option, object value) => new() { CriuOption = new Dictionary<string, object?> { [option] = value } };
}
