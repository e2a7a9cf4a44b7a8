namespace PSCrac.Tests.Preflight;

/// <summary>Shapes that live in namespaces, or among mounts, of their own.</summary>
internal static partial class ProcessShapes
{
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
        new("child in another pid namespace", ShapeNeed.Impossible, """
            libc.unshare(0x20000000)
            child(lambda: None)
            ready(); wait()
            answer(True)
            """) { Says = "pid namespace" },
        new("child with another host name namespace", ShapeNeed.Impossible, """
            r, w = os.pipe()
            def away():
                libc.unshare(0x04000000)
                os.write(w, b"x")
            child(away)
            os.read(r, 1)
            ready(); wait()
            answer(True)
            """) { Says = "uts" },
        new("time namespace for its children", ShapeNeed.Impossible, """
            libc.unshare(0x80)
            ready(); wait()
            answer(True)
            """) { Says = "time namespace" },
        new("another user namespace", ShapeNeed.Impossible, """
            ready(); wait()
            answer(True)
            """) { Wrapper = ["unshare", "-U", "-r"], Says = "user namespace" },
        new("file opened before a mount namespace", ShapeNeed.Impossible, """
            ready(); wait()
            answer(True)
            """) { Wrapper = ["unshare", "-m"], Says = "opened through a mount" },
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
            """) { Says = "mounted over" },
        new("file of a mount that is gone", ShapeNeed.Impossible, """
            os.mkdir("under")
            libc.mount(b"tmpfs", b"under", b"tmpfs", 0, None)
            f = os.open("under/data", os.O_RDWR | os.O_CREAT)
            libc.umount2(b"under", 2)
            ready(); wait()
            answer(os.fstat(f).st_nlink == 1)
            """) { Says = "unmounted lazily" },
    ];
}
