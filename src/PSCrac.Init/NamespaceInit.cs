using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

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
internal static class NamespaceInit
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

    private static SafeFileHandle s_control = LibC.NoDescriptor;
    private static int s_root;
    private static bool s_running;
    private static bool s_kept;
    private static bool s_hasEnded;
    private static bool s_exited;
    private static int s_code;

    internal static void Run()
    {
        s_control = new SafeFileHandle(Setting("PSCRAC_INIT_CONTROL", -1), ownsHandle: false);
        s_root = Setting("PSCRAC_INIT_ROOT", -1);
        Prepare();
        SafeFileHandle signals = OpenSignals();
        int program = Setting("PSCRAC_INIT_PROGRAM", -1);
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
        Errno errno = RootProgram.Start(program, out s_root);
        if (errno != Errno.None)
        {
            Fail(FailedProgram, errno);
        }

        Send([Started, (byte)s_root, (byte)(s_root >> 8), (byte)(s_root >> 16), (byte)(s_root >> 24)]);

        // Nothing is reaped meanwhile: the session finds a root that has ended at once by its id here, too.
        byte[] message = new byte[1];
        TakeMessage(LibC.ReceiveWaiting(s_control, message) == 1 ? message[0] : (byte)0);
    }

    private static void Prepare()
    {
        LibC.SetThreadName("pscrac-init\0"u8);

        // Set once this process has started itself anew, with the proc that it mounted before.
        int lowest = Setting("PSCRAC_INIT_LOWEST", 0);
        if (lowest == 0)
        {
            return;
        }

        // It keeps no folder in use.
        LibC.ChangeDirectory("/proc");
        if (LibC.MountProc("/proc") is not Errno.None and var errno)
        {
            Fail(FailedMount, errno);
        }

        IdRange.Skip(Setting("PSCRAC_INIT_LAST", 0));
        if (IdRange.HighestOwn() >= lowest)
        {
            // Threads of this runtime sit on ids of the image. The same program started again in this process gets its
            // threads' ids from behind the last one, which was just moved.
            LibC.UnsetEnvironment("PSCRAC_INIT_LOWEST");
            Fail(FailedExec, IdRange.StartAgain());
        }
    }

    private static SafeFileHandle OpenSignals()
    {
        // The session blocked these for this process before it began, so every thread of the runtime has them blocked.
        SafeFileHandle descriptor = LibC.OpenSignals(SignalsToPassOn.Mask | 1UL << LibC.SIGCHLD - 1, out Errno errno);
        if (errno != Errno.None)
        {
            Fail(FailedSignals, errno);
        }

        return descriptor;
    }

    private static void Serve(SafeFileHandle signals)
    {
        Span<byte> message = stackalloc byte[1];
        while (true)
        {
            // Once the tree is kept, the session may go.
            if (LibC.Poll(signals, s_kept ? null : s_control, -1, out bool hasSignal, out bool hasMessage) != Errno.None)
            {
                continue;
            }

            // A signal sent after the message must find it taken. poll looks at the signals first, so where it saw one it
            // has also seen a message that came before.
            if (hasMessage)
            {
                TakeMessage(LibC.Receive(s_control, message) == 1 ? message[0] : (byte)0);
            }

            if (hasSignal)
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

    private static void TakeMessage(byte message)
    {
        if (message is not (Watch or Go))
        {
            LibC.Exit(FailedToStart);
        }

        s_running = true;
        s_kept = message == Go;
    }

    private static void TakeSignal(SafeFileHandle signals)
    {
        // struct signalfd_siginfo, signalfd(2): the number is its first field, the code its third, a queued value its 13th.
        const int Length = 128;
        const int SI_QUEUE = -1;
        Span<int> info = stackalloc int[Length / sizeof(int)];
        if (LibC.Read(signals, MemoryMarshal.AsBytes(info), out _) != Length)
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
            LibC.Queue(s_root, signal, (nint)MemoryMarshal.Cast<int, long>(info[12..])[0]);
        }
        else
        {
            LibC.Kill(s_root, signal);
        }
    }

    private static void Reap()
    {
        while (LibC.TryReapAny(out int pid, out int code, out bool exited))
        {
            if (pid == s_root)
            {
                s_hasEnded = true;
                s_exited = exited;
                s_code = code;
            }
        }
    }

    private static void Fail(byte what, Errno errno)
    {
        Send([Failed, (byte)errno, what]);
        LibC.Exit(FailedToStart);
    }

    private static void Send(ReadOnlySpan<byte> message) => LibC.Send(s_control, message);

    /// <summary>A number from the environment. Arguments would do as well, but belong to pwsh where that is the host.</summary>
    private static int Setting(string name, int whenAbsent) =>
        Environment.GetEnvironmentVariable(name) is { } text && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            ? value
            : whenAbsent;
}
