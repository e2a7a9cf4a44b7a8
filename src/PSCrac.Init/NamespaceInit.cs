namespace PSCrac.Init;

/// <summary>
/// The first process of a pid namespace: it mounts the namespace's proc, reaps orphans, passes signals on to the root of
/// the tree, and ends with the root's exit code, upon which the kernel ends whatever else is in the namespace. The root is
/// restored by a criu that the session starts here, or is a program that this process starts.
/// The session that started it sends and is sent single messages over a socket pair:
/// <code>
/// to it    R               the namespace is ready: criu may be started in it
///          S pid           the root was started, 4 bytes of its id in the namespace; it is not reaped before W
///          E errno what    neither, and why
///          X exited code   the root has ended, by itself or by a signal
/// from it  W               the root runs: pass signals on to it, and end with it
///          G               the same, and stay whatever becomes of the session
/// </code>
/// Where the session ends before it said G, nothing in the namespace is worth keeping.
/// </summary>
internal static unsafe class NamespaceInit
{
    private const byte Ready = (byte)'R';
    private const byte Started = (byte)'S';
    private const byte Failed = (byte)'E';
    private const byte Ended = (byte)'X';
    private const byte Watch = (byte)'W';
    private const byte Go = (byte)'G';
    private const int FailedToStart = 125;

    private const byte FailedMount = 1;
    private const byte FailedSignals = 2;
    private const byte FailedExec = 3;
    private const byte FailedProgram = 4;

    private static int s_control;
    private static int s_root;
    private static bool s_running;
    private static bool s_kept;
    private static bool s_hasEnded;
    private static bool s_exited;
    private static int s_code;

    internal static void Run()
    {
        s_control = Setting("PSCRAC_INIT_CONTROL"u8, -1);
        s_root = Setting("PSCRAC_INIT_ROOT"u8, -1);
        Prepare();
        int signals = OpenSignals();
        int program = Setting("PSCRAC_INIT_PROGRAM"u8, -1);
        if (program < 0)
        {
            Send([Ready]);
        }
        else
        {
            StartRoot(program);
        }

        Serve(signals);
    }

    private static void StartRoot(int program)
    {
        int errno = RootProgram.Start(program, out s_root);
        if (errno != 0)
        {
            Fail(FailedProgram, errno);
        }

        Send([Started, (byte)s_root, (byte)(s_root >> 8), (byte)(s_root >> 16), (byte)(s_root >> 24)]);

        // Nothing is reaped meanwhile: the session finds a root that has ended at once by its id here, too.
        TakeMessage(flags: 0);
    }

    private static void Prepare()
    {
        fixed (byte* name = "pscrac-init\0"u8)
        {
            LibC.PrCtl(LibC.PR_SET_NAME, name);
        }

        // Set once this process has started itself anew, with the proc that it mounted before.
        int lowest = Setting("PSCRAC_INIT_LOWEST"u8, 0);
        if (lowest == 0)
        {
            return;
        }

        fixed (byte* proc = "proc\0"u8, target = "/proc\0"u8)
        {
            // It keeps no folder in use.
            LibC.ChangeDirectory(target);
            if (LibC.Mount(proc, target, proc, LibC.MS_NOSUID | LibC.MS_NODEV | LibC.MS_NOEXEC, null) != 0)
            {
                Fail(FailedMount, LibC.Errno);
            }
        }

        IdRange.Skip(Setting("PSCRAC_INIT_LAST"u8, 0));
        if (IdRange.HighestOwn() >= lowest)
        {
            // Threads of this runtime sit on ids of the image. The same program started again in this process gets its
            // threads' ids from behind the last one, which was just moved.
            fixed (byte* name = "PSCRAC_INIT_LOWEST\0"u8)
            {
                LibC.UnsetEnv(name);
            }

            Fail(FailedExec, IdRange.StartAgain());
        }
    }

    private static int OpenSignals()
    {
        // The session blocked these for this process before it began, so every thread of the runtime has them blocked.
        ulong* mask = stackalloc ulong[16];
        *mask = SignalsToPassOn.Mask | 1UL << LibC.SIGCHLD - 1;
        int descriptor = LibC.SignalFd(-1, mask, LibC.SFD_CLOEXEC);
        if (descriptor < 0)
        {
            Fail(FailedSignals, LibC.Errno);
        }

        return descriptor;
    }

    private static void Serve(int signals)
    {
        LibC.PollDescriptor* events = stackalloc LibC.PollDescriptor[2];
        events[0] = new LibC.PollDescriptor { Descriptor = signals, Events = LibC.POLLIN };
        events[1] = new LibC.PollDescriptor { Descriptor = s_control, Events = LibC.POLLIN };
        while (true)
        {
            // Once the tree is kept, the session may go.
            nuint count = s_kept ? 1u : 2u;
            events[0].Returned = events[1].Returned = 0;
            if (LibC.Poll(events, count, -1) < 0)
            {
                continue;
            }

            // A signal sent after the message must find it taken. poll looks at the signals first, so where it saw one it
            // has also seen a message that came before.
            if (count == 2 && events[1].Returned != 0)
            {
                TakeMessage(LibC.MSG_DONTWAIT);
            }

            if (events[0].Returned != 0)
            {
                TakeSignal(signals);
            }

            if (s_running && s_hasEnded)
            {
                Visitors.WaitUntilGone();
                Send([Ended, s_exited ? (byte)1 : (byte)0, (byte)s_code]);
                LibC.Exit(s_exited ? s_code : 128 + s_code);
            }
        }
    }

    private static void TakeMessage(int flags)
    {
        byte message = 0;
        while (LibC.Receive(s_control, &message, 1, flags) < 0 && LibC.Errno == LibC.EINTR)
        {
        }

        if (message is not (Watch or Go))
        {
            LibC.Exit(FailedToStart);
        }

        s_running = true;
        s_kept = message == Go;
    }

    private static void TakeSignal(int signals)
    {
        // struct signalfd_siginfo, signalfd(2): the number is its first field, the code its third, a queued value its 13th.
        const int Length = 128;
        const int SI_QUEUE = -1;
        int* info = stackalloc int[Length / sizeof(int)];
        if (LibC.Read(signals, info, Length) != Length)
        {
            return;
        }

        int signal = info[0];
        if (signal == LibC.SIGCHLD)
        {
            Reap();
        }
        else if (!s_running)
        {
            if (signal is LibC.SIGTERM or LibC.SIGINT or LibC.SIGHUP)
            {
                LibC.Exit(128 + signal);
            }
        }
        else if (info[2] == SI_QUEUE)
        {
            LibC.SigQueue(s_root, signal, *(nint*)(info + 12));
        }
        else
        {
            LibC.Kill(s_root, signal);
        }
    }

    private static void Reap()
    {
        // siginfo_t on 64 bit, sigaction(2): si_code is its third int, si_pid its fifth, si_status its seventh.
        int* info = stackalloc int[32];
        while (true)
        {
            info[4] = 0;
            if (LibC.WaitId(LibC.P_ALL, 0, info, LibC.WEXITED | LibC.WNOHANG) != 0 || info[4] == 0)
            {
                return;
            }

            if (info[4] == s_root)
            {
                s_hasEnded = true;
                s_exited = info[2] == LibC.CLD_EXITED;
                s_code = info[6];
            }
        }
    }

    private static void Fail(byte what, int errno)
    {
        Send([Failed, (byte)errno, what]);
        LibC.Exit(FailedToStart);
    }

    private static void Send(ReadOnlySpan<byte> message)
    {
        fixed (byte* data = message)
        {
            LibC.Send(s_control, data, (nuint)message.Length, LibC.MSG_DONTWAIT | LibC.MSG_NOSIGNAL);
        }
    }

    /// <summary>A number from the environment. Arguments would do as well, but belong to pwsh where that is the host.</summary>
    private static int Setting(ReadOnlySpan<byte> name, int whenAbsent)
    {
        byte* text;
        fixed (byte* data = name)
        {
            // A u8 literal has a null behind its end.
            text = LibC.GetEnv(data);
        }

        if (text is null)
        {
            return whenAbsent;
        }

        int value = 0;
        for (; *text is >= (byte)'0' and <= (byte)'9'; text++)
        {
            value = value * 10 + (*text - '0');
        }

        return value;
    }
}
