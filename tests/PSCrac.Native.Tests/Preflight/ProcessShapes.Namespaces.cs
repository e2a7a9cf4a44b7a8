using PSCrac.Criu;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Preflight;

/// <summary>Shapes that live in namespaces, or among mounts, of their own.</summary>
internal static partial class ProcessShapes
{
    // With no option criu locks a network namespace with iptables.
    private static ShapeNeed LockedNetwork =>
        CriuPrograms.FindMissing(NetworkLock.IptablesPrograms(ofNamespace: true)) is null ? ShapeNeed.RestoreOption : ShapeNeed.ChosenOptions;

    // criu 4.3 reads the binfmt_misc of a user namespace, which it may not.
    private static bool ReadsNoBinaryFormats => CriuProgram.WhyNot is not null || CriuInstallation.Locate().GetVersion() < new Version(4, 3);

    private static IEnumerable<ProcessShape> Namespaces() =>
    [
        new("host name namespace", ShapeNeed.Nothing, """
            socket.sethostname("inside")
            ready(); wait()
            answer(socket.gethostname() == "inside")
            """) { Wrapper = ["unshare", "-u"] },
        new("IPC namespace with a SysV segment", ShapeNeed.Nothing, """
            libc.shmat.restype = ctypes.c_void_p
            i = libc.shmget(0, 4096, 0o1600)
            a = libc.shmat(i, None, 0)
            ctypes.memmove(a, b"kept", 4)
            ready(); wait()
            answer(ctypes.string_at(a, 4) == b"kept")
            """) { Wrapper = ["unshare", "-i"] },
        new("network namespace", LockedNetwork, """
            ready(); wait()
            answer(os.listdir("/sys/class/net") is not None)
            """) { Wrapper = ["unshare", "-n"] },
        new("mount namespace", ShapeNeed.RestoreOption, """
            os.closerange(3, 20)
            ready(); wait()
            answer(os.path.exists(BASE + "go"))
            """) { Wrapper = ["unshare", "-m", "sh", "-c", "exec \"$@\" </dev/null >>out 2>>err", "sh"], ExpectedText = "root" },
        new("pid namespace whose first process began in a session outside", ShapeNeed.Impossible, """
            ready(); wait()
            answer(os.getsid(0) == 0)
            """) { HasLeader = true, Wrapper = ["unshare", "--pid", "--fork", "--kill-child"], ExpectedText = "setsid" },
        new("mount namespace entered by itself", ShapeNeed.Impossible, """
            libc.unshare(0x00020000)
            for f in (0, 1, 2):
                os.dup2(os.open("/dev/null", os.O_RDWR), f)
            os.closerange(3, 20)
            ready(); wait()
            answer(os.path.exists(BASE + "go"))
            """) { ExpectedText = "mount that no process of the tree sees" },
        new("child in another mount namespace", ShapeNeed.RestoreFails, """
            r, w = os.pipe()
            def away():
                libc.unshare(0x00020000)
                for f in (0, 1, 2):
                    os.dup2(os.open("/dev/null", os.O_RDWR), f)
                os.write(w, b"x")
            child(away)
            os.read(r, 1)
            ready(); wait()
            answer(True)
            """),
        new("child in another network namespace", ShapeNeed.RestoreFails, """
            r, w = os.pipe()
            def away():
                libc.unshare(0x40000000)
                os.write(w, b"x")
            child(away)
            os.read(r, 1)
            ready(); wait()
            answer(True)
            """),
        new("root and child in network namespaces", LockedNetwork, """
            r, w = os.pipe()
            def away():
                libc.unshare(0x40000000)
                os.write(w, b"x")
            pid = child(away)
            os.read(r, 1)
            ready(); wait()
            answer(os.readlink("/proc/%d/ns/net" % pid) != os.readlink("/proc/self/ns/net"))
            """) { Wrapper = ["unshare", "-n"] },
        new("cgroup namespace", ShapeNeed.Nothing, """
            ready(); wait()
            answer(True)
            """) { Wrapper = ["unshare", "-C"] },
        new("child in another pid namespace", ShapeNeed.Impossible, """
            libc.unshare(0x20000000)
            child(lambda: None)
            ready(); wait()
            answer(True)
            """) { ExpectedText = "pid namespace" },
        new("child with another host name namespace", ShapeNeed.Impossible, """
            r, w = os.pipe()
            def away():
                libc.unshare(0x04000000)
                os.write(w, b"x")
            child(away)
            os.read(r, 1)
            ready(); wait()
            answer(True)
            """) { ExpectedText = "uts" },
        new("time namespace for its children", ShapeNeed.Impossible, """
            libc.unshare(0x80)
            ready(); wait()
            answer(True)
            """) { ExpectedText = "time namespace" },
        new("another user namespace", ReadsNoBinaryFormats ? ShapeNeed.RestoreFails : ShapeNeed.Impossible, """
            ready(); wait()
            answer(True)
            """) { Wrapper = ["unshare", "-U", "-r"], ExpectedText = "user namespace" },
        new("file opened before a mount namespace", ShapeNeed.Impossible, """
            ready(); wait()
            answer(True)
            """) { Wrapper = ["unshare", "-m"], ExpectedText = "mount that no process of the tree sees" },
        new("file under a later mount", ShapeNeed.Impossible, """
            os.mkdir("under")
            libc.mount(b"tmpfs", b"under", b"tmpfs", 0, None)
            f = os.open("under/data", os.O_RDWR | os.O_CREAT)
            libc.mount(b"tmpfs", b"under", b"tmpfs", 0, None)
            ready(); wait()
            libc.umount2(b"under", 2)
            good = os.fstat(f).st_nlink == 1
            libc.umount2(b"under", 2)
            answer(good)
            """) { ExpectedText = "mounted over" },
        new("file of a mount that is gone", ShapeNeed.Impossible, """
            os.mkdir("under")
            libc.mount(b"tmpfs", b"under", b"tmpfs", 0, None)
            f = os.open("under/data", os.O_RDWR | os.O_CREAT)
            libc.umount2(b"under", 2)
            ready(); wait()
            answer(os.fstat(f).st_nlink == 1)
            """) { ExpectedText = "lazy unmount" },
    ];
}
