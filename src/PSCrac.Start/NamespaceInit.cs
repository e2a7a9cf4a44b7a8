using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.PidNamespaces;
using PSCrac.Starting.Services;

namespace PSCrac.Start;

/// <summary>
/// The first process of a pid namespace: it mounts the namespace's proc, reaps orphans, forwards signals to the root of
/// the tree, and ends with the root's exit code; the kernel then ends all other processes in the namespace. The root is
/// restored by a criu that the session starts in the namespace, or is a program that this process starts.
/// It exchanges messages with the session that started it over a socket pair:
/// <code>
/// sent     R               the namespace is ready: criu may be started in it
///          S pid           the root was started; its id in the namespace, 4 bytes; it is not reaped before W
///          E errno step    start failed
///          X exited code   the root has exited (1) or was ended by a signal (0)
/// received W               the root runs: forward signals to it, and end with it
///          G               the same, and continue if the session ends
/// </code>
/// If the session ends before it has sent G, the namespace ends.
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
        s_control = new SafeFileHandle(ReadSetting("PSCRAC_INIT_CONTROL", -1), ownsHandle: false);
        s_root = ReadSetting("PSCRAC_INIT_ROOT", -1);
        Prepare();
        SafeFileHandle signals = OpenSignals();
        int program = ReadSetting("PSCRAC_INIT_PROGRAM", -1);
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

        // Nothing is reaped meanwhile, so that the session can find the root by its id even if it has already ended.
        byte[] message = new byte[1];
        HandleMessage(LibC.ReceiveBlocking(s_control, message) == 1 ? message[0] : (byte)0);
    }

    private static void Prepare()
    {
        LibC.SetThreadName("pscrac-init\0"u8);

        // Not set after this process has executed itself again; proc is then already mounted.
        int lowest = ReadSetting("PSCRAC_INIT_LOWEST", 0);
        if (lowest == 0)
        {
            return;
        }

        // Do not keep a folder of the host in use.
        LibC.ChangeDirectory("/proc");
        if (LibC.MountProc("/proc") is not Errno.None and var errno)
        {
            Fail(FailedMount, errno);
        }

        // New ids follow the last one. Where it cannot be set, criu reports an id that is in use.
        LastPid.Set(ReadSetting("PSCRAC_INIT_LAST", 0));
        if (IdRange.GetHighestThreadId() >= lowest)
        {
            // Threads of this runtime use ids of the image. After executing the program again, its threads
            // get ids after the last id, which was just set.
            LibC.UnsetEnvironment("PSCRAC_INIT_LOWEST");
            Fail(FailedExec, IdRange.ExecuteAgain());
        }
    }

    private static SafeFileHandle OpenSignals()
    {
        // The session started this process with these signals blocked, so all threads of the runtime have them blocked.
        SafeFileHandle descriptor = LibC.OpenSignals(ForwardedSignals.Mask | 1UL << LibC.SIGCHLD - 1, out Errno errno);
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
            // After G, the session may end.
            if (LibC.Poll(signals, s_kept ? null : s_control, -1, out bool hasSignal, out bool hasMessage) != Errno.None)
            {
                continue;
            }

            // A message must be handled before a signal that was sent after it. poll checks the signals first, so if it reports a
            // signal, it also reports a message that was sent before.
            if (hasMessage)
            {
                HandleMessage(LibC.Receive(s_control, message) == 1 ? message[0] : (byte)0);
            }

            if (hasSignal)
            {
                HandleSignal(signals);
            }

            if (s_running && s_hasEnded)
            {
                ForeignProcesses.WaitUntilEnded();
                Send([Ended, s_exited ? (byte)1 : (byte)0, (byte)s_code]);
                LibC.Exit(s_exited ? s_code : 128 + s_code);
            }
        }
    }

    private static void HandleMessage(byte message)
    {
        if (message is not (Watch or Go))
        {
            LibC.Exit(FailedToStart);
        }

        if (!s_running)
        {
            s_running = true;
            IdleMemory.GiveBack();
        }

        s_kept = message == Go;
    }

    private static void HandleSignal(SafeFileHandle signals)
    {
        // struct signalfd_siginfo, signalfd(2), as ints: the number is the first, the code the third, a queued value the 13th.
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

    private static void Fail(byte step, Errno errno)
    {
        Send([Failed, (byte)errno, step]);
        LibC.Exit(FailedToStart);
    }

    private static void Send(ReadOnlySpan<byte> message) => LibC.Send(s_control, message);

    /// <summary>Reads a number from the environment. Arguments cannot be used: if pwsh is the host, they are its arguments.</summary>
    private static int ReadSetting(string name, int defaultValue) =>
        Environment.GetEnvironmentVariable(name) is { } text && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            ? value
            : defaultValue;
}
