"""One of every kind of thing that a process can hold and criu can dump, as far as this machine has it.

READY names a file to make when all is there; what could not be had is told in that file.
ZOO_WITHOUT names kinds to leave out, ZOO_FOLDER where files go.
"""
import ctypes, fcntl, mmap, os, select, signal, socket, struct, threading, time

# A descriptor from outside, opened before a mount namespace was unshared, would stop the dump.
os.closerange(0, 256)
os.open("/dev/null", os.O_RDWR)
os.dup(0)
os.dup(0)

libc = ctypes.CDLL(None, use_errno=True)
folder = os.environ["ZOO_FOLDER"]
keep = []


def path(name):
    return os.path.join(folder, name)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def files():
    with open(path("read"), "w") as f:
        f.write("0123456789")
    f = os.open(path("read"), os.O_RDONLY)
    os.read(f, 4)
    appended = os.open(path("append"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    gone = os.open(path("gone"), os.O_RDWR | os.O_CREAT)
    os.write(gone, b"still here")
    os.unlink(path("gone"))
    holes = os.open(path("holes"), os.O_RDWR | os.O_CREAT)
    os.write(holes, b"a")
    os.lseek(holes, 1 << 19, os.SEEK_SET)
    os.write(holes, b"b")
    os.unlink(path("holes"))
    os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    os.open("/proc/self/status", os.O_RDONLY)
    os.chdir(folder)
    os.umask(0o27)


def pipes():
    r, w = os.pipe()
    os.write(w, b"in the pipe" * 20)
    os.mkfifo(path("fifo"))
    os.write(os.open(path("fifo"), os.O_RDWR), b"in the fifo")


def unix():
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET:
        a, b = socket.socketpair(socket.AF_UNIX, kind)
        a.send(b"one")
        a.send(b"two")
        keep.extend([a, b])
    s = socket.socket(socket.AF_UNIX)
    s.bind(path("a name = with odd\tbytes.sock"))
    s.listen(5)
    n = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    n.bind(b"\0zoo-%d-\xfc\n. " % os.getpid() + b"long " * 15)
    keep.extend([s, n])


def inet():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    s.listen(7)
    c = socket.create_connection(s.getsockname())
    p, _ = s.accept()
    c.send(b"unread")
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(("127.0.0.1", 0))
    keep.extend([s, c, p, u])


def inet6():
    s = socket.socket(socket.AF_INET6)
    s.bind(("::1", 0))
    s.listen(1)
    keep.append(s)


def raw():
    keep.append(socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))


def netlink():
    n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    n.bind((0, 0))
    keep.append(n)


def packet():
    keep.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))


def eventfd():
    e = os.eventfd(7)
    p = select.epoll()
    p.register(e, select.EPOLLIN)
    keep.append(p)


def signalfd():
    mask = ctypes.create_string_buffer(128)
    mask[1] = 2
    check(libc.signalfd(-1, mask, 0))


def timerfd():
    t = check(libc.timerfd_create(1, 0))
    check(libc.timerfd_settime(t, 0, struct.pack("4q", 100, 0, 1000, 0), None))


def inotify():
    i = check(libc.inotify_init())
    check(libc.inotify_add_watch(i, folder.encode(), 0x100))


def fanotify():
    f = check(libc.fanotify_init(0, 0))
    check(libc.fanotify_mark(f, 1, ctypes.c_uint64(0x20), -100, folder.encode()))


def memfd():
    m = os.memfd_create("zoo", 2)
    os.ftruncate(m, 8192)
    os.write(m, b"memfd content")
    fcntl.fcntl(m, 1033, 2)
    keep.append(mmap.mmap(m, 8192))
    u = os.memfd_create("zoo unmapped")
    os.ftruncate(u, 65536)
    # Written in two, and so in the memory of this process in two.
    os.pwrite(u, b"UNMAPPED ", 4090)
    os.pwrite(u, b"SECRET", 4099)


def pty():
    m, s = os.openpty()
    os.write(m, b"typed\n")


def pidfd():
    os.pidfd_open(os.getpid())


def tun():
    t = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(t, 0x400454CA, struct.pack("16sH22x", b"zoo%d", 0x1001))


def memory():
    a = mmap.mmap(-1, 65536)
    a[4090:4103] = b"SHARED SECRET"
    f = open(path("mapped"), "w+b")
    f.truncate(8192)
    m = mmap.mmap(f.fileno(), 8192)
    m[:4] = b"file"
    p = mmap.mmap(-1, 65536, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    p[:4096] = os.urandom(4096)
    keep.extend([a, f, m, p])


def devshm():
    f = open(os.path.join(os.environ["ZOO_SHM"], "named"), "w+b")
    f.truncate(8192)
    m = mmap.mmap(f.fileno(), 8192)
    m[:4] = b"shm!"
    g = open(os.path.join(os.environ["ZOO_SHM"], "unlinked"), "w+b")
    os.unlink(g.name)
    g.truncate(8192)
    n = mmap.mmap(g.fileno(), 8192)
    n[:4] = b"gone"
    keep.extend([f, m, g, n])


def locks():
    f = open(path("flock"), "w")
    fcntl.flock(f, fcntl.LOCK_EX)
    g = open(path("posix"), "w")
    fcntl.lockf(g, fcntl.LOCK_EX, 10, 5)
    h = open(path("description"), "w")
    fcntl.fcntl(h, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    l = open(path("leased"), "w+")
    fcntl.fcntl(l, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    keep.extend([f, g, h, l])


def timers():
    signal.setitimer(signal.ITIMER_REAL, 5000, 60)
    timer = ctypes.c_void_p()
    check(libc.timer_create(1, None, ctypes.byref(timer)))
    check(libc.timer_settime(timer, 0, struct.pack("4q", 100, 5, 7000, 6), None))


def sysv():
    s = check(libc.shmget(0x1234, 5000, 0o1600))
    libc.shmat.restype = ctypes.c_void_p
    a = libc.shmat(s, None, 0)
    ctypes.memmove(a, b"SYSV SECRET", 11)
    # One segment only: with two whose content is in pagemaps, crit 4.2 takes the second for the first one's content.
    check(libc.semget(0x77, 3, 0o1600))
    q = check(libc.msgget(0x78, 0o1600))
    check(libc.msgsnd(q, struct.pack("q", 5) + b"hello", 5, 0))
    check(libc.msgsnd(q, struct.pack("q", 6) + b"worlds", 6, 0))


def children():
    if os.fork() == 0:
        os.setsid()
        signal.setitimer(signal.ITIMER_REAL, 0)
        time.sleep(10000)
    if os.fork() == 0:
        os._exit(3)
    stopped = os.fork()
    if stopped == 0:
        signal.pause()
    os.kill(stopped, signal.SIGSTOP)
    os.waitid(os.P_PID, stopped, os.WSTOPPED | os.WNOWAIT)
    for _ in range(3):
        threading.Thread(target=time.sleep, args=(10000,), daemon=True).start()


kinds = [files, pipes, unix, inet, inet6, raw, netlink, packet, eventfd, signalfd, timerfd, inotify, fanotify,
         memfd, pty, pidfd, tun, memory, devshm, locks, timers, sysv, children]
missing = []
for kind in kinds:
    if kind.__name__ not in os.environ.get("ZOO_WITHOUT", "").split(","):
        try:
            kind()
        except Exception as e:
            missing.append("%s: %s\n" % (kind.__name__, e))

ready = os.environ["READY"]
report = os.open(ready + ".new", os.O_WRONLY | os.O_CREAT)
os.write(report, "".join(missing).encode())
os.close(report)
os.rename(ready + ".new", ready)
time.sleep(10000)
