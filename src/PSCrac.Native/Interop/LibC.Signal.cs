using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const int SIGHUP = 1;
    internal const int SIGINT = 2;
    internal const int SIGQUIT = 3;
    internal const int SIGKILL = 9;
    internal const int SIGPIPE = 13;
    internal const int SIGTERM = 15;
    internal const int SIGCHLD = 17;
    internal const int SIGCONT = 18;
    internal const int SIGSTOP = 19;
    internal const int SIGTTOU = 22;
    internal const int SIGXFSZ = 25;

    /// <summary>The standard signals, to reset their handling for a new program.</summary>
    internal static readonly int[] StandardSignals = [.. Enumerable.Range(1, 31)];

    [LibraryImport(Library, EntryPoint = "kill", SetLastError = true)]
    private static partial int kill(int pid, int signal);

    [LibraryImport(Library, EntryPoint = "sigqueue", SetLastError = true)]
    private static partial int sigqueue(int pid, int signal, nint value);

    [LibraryImport(Library, EntryPoint = "signalfd", SetLastError = true)]
    private static unsafe partial SafeFileHandle signalfd(int descriptor, ulong* mask, int flags);

    /// <summary>kill(2).</summary>
    internal static Errno Kill(int pid, int signal) => Result(kill(pid, signal));

    /// <summary>sigqueue(3): a signal with a value.</summary>
    internal static Errno Queue(int pid, int signal, nint value) => Result(sigqueue(pid, signal, value));

    /// <summary>Creates a descriptor from which blocked signals are read, close-on-exec (signalfd(2)). Invalid on failure.</summary>
    /// <param name="mask">The signals; signal n is bit n - 1.</param>
    /// <param name="errno">The errno of the failure; 0 on success.</param>
    internal static unsafe SafeFileHandle OpenSignals(ulong mask, out Errno errno)
    {
        const int SFD_CLOEXEC = 0x80000;

        // sigset_t is 128 bytes.
        ulong* set = stackalloc ulong[16];
        new Span<ulong>(set, 16).Clear();
        *set = mask;
        SafeFileHandle descriptor = signalfd(-1, set, SFD_CLOEXEC);
        errno = Result(descriptor);
        return descriptor;
    }

    /// <summary>Checks whether a process group exists, without signalling it (kill(2), signal 0).</summary>
    internal static Errno ProbeGroup(int id) => Kill(-id, 0);
}
