namespace PSCrac.Tests.Support;

/// <summary>
/// The machine's criu, which waits in the system call that would kill one process, once, until it is killed itself or told to go on. The
/// kernel asks a process beside it before the call (SECCOMP_RET_USER_NOTIF, seccomp_unotify(2)).
/// </summary>
internal sealed class CriuHeldInKill : IDisposable
{
    // A filter of eight instructions: kill(victim, SIGKILL) is asked for, everything else allowed. The process that is asked has nothing
    // of criu's: the end of its socket must be that of criu.
    private const string Script = """
        import ctypes, fcntl, os, select, socket, struct, sys
        folder, victim = sys.argv[1], int(sys.argv[2])
        kill, seccomp = {"x86_64": (62, 317), "aarch64": (129, 277)}[os.uname().machine]
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            if os.fork():
                os._exit(0)
            os.setsid()
            os.closerange(0, theirs.fileno())
            os.closerange(theirs.fileno() + 1, 65536)
            listener = socket.recv_fds(theirs, 1, 1)[1][0]
            theirs.close()
            poll = select.poll()
            poll.register(listener, select.POLLIN)
            if poll.poll()[0][1] & select.POLLIN:
                asked = bytearray(80)
                fcntl.ioctl(listener, 0xc0502100, asked)
                os.close(os.open(folder + "/held", os.O_CREAT | os.O_WRONLY))
                while os.path.exists(folder) and not any(event & select.POLLHUP for _, event in poll.poll(5)):
                    if os.path.exists(folder + "/go"):
                        fcntl.ioctl(listener, 0xc0182101, struct.pack("QqiI", struct.unpack_from("Q", asked)[0], 0, 0, 1))
                        break
            os._exit(0)
        os.wait()
        code = b"".join(struct.pack("HBBI", *each) for each in [
            (0x20, 0, 0, 0), (0x15, 0, 5, kill), (0x20, 0, 0, 16), (0x15, 0, 3, victim), (0x20, 0, 0, 24), (0x15, 0, 1, 9),
            (0x06, 0, 0, 0x7fc00000), (0x06, 0, 0, 0x7fff0000)])
        text = ctypes.create_string_buffer(code)
        program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 8, ctypes.addressof(text)))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(*[ctypes.c_ulong(each) for each in (38, 1, 0, 0, 0)])
        listener = libc.syscall(*[ctypes.c_long(each) for each in (seccomp, 1, 8, ctypes.addressof(program))])
        if listener < 0:
            sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
        socket.send_fds(ours, [b"x"], [listener])
        os.close(listener)
        ours.close()
        theirs.close()
        os.execv(sys.argv[3], sys.argv[3:])
        """;

    private readonly TemporaryFolder _folder = new();
    private readonly ChangedCriu _criu;

    /// <summary>Makes it; it is found while this is not disposed.</summary>
    /// <param name="victim">The process before whose kill it waits.</param>
    internal CriuHeldInKill(int victim)
    {
        File.WriteAllText(_folder.At("hold.py"), Script);
        _criu = new ChangedCriu($"""
            *" swrk "*)
                [ -e '{_folder.At("held")}' ] || exec '{PythonProgram.Path}' '{_folder.At("hold.py")}' '{_folder.FullPath}' {victim} '{CriuProgram.Path}' "$@" ;;
            """);
    }

    /// <summary>Waits until it is held.</summary>
    internal void WaitUntilHeld() => Wait.Until(() => File.Exists(_folder.At("held")), static () => "criu does not kill the process");

    /// <summary>Lets it go on.</summary>
    internal void Continue() => File.WriteAllText(_folder.At("go"), "");

    public void Dispose()
    {
        _criu.Dispose();
        _folder.Dispose();
    }
}
