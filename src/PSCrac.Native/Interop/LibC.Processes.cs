using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const int SIGKILL = 9;
    internal const int SIGPIPE = 13;
    internal const int SIGTERM = 15;
    internal const int SIGSTOP = 19;
    internal const int SIGTTOU = 22;
    internal const int SIGXFSZ = 25;

    internal const int RLIMIT_FSIZE = 1;

    private const int P_PIDFD = 3;
    private const int WEXITED = 4;
    private const int CLD_EXITED = 1;

    // The same on every architecture Linux gained after 2019's unification (asm-generic/unistd.h).
    private const nint SYS_pidfd_send_signal = 424;
    private const nint SYS_pidfd_open = 434;

    [LibraryImport(Library, EntryPoint = "kill", SetLastError = true)]
    private static partial int kill(int pid, int signal);

    [LibraryImport(Library, EntryPoint = "getpid")]
    internal static partial int GetPid();

    [LibraryImport(Library, EntryPoint = "geteuid")]
    internal static partial uint GetEffectiveUserId();

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static partial nint syscall(nint number, nint first, nint second, nint third, nint fourth);

    [LibraryImport(Library, EntryPoint = "prlimit", SetLastError = true)]
    private static unsafe partial int prlimit(int pid, int resource, RLimit* newLimit, RLimit* oldLimit);

    [LibraryImport(Library, EntryPoint = "waitid", SetLastError = true)]
    private static unsafe partial int waitid(int idType, int id, byte* info, int options);

    [LibraryImport(Library, EntryPoint = "poll", SetLastError = true)]
    private static unsafe partial int poll(PollDescriptor* descriptors, nuint count, int timeout);

    [LibraryImport(Library, EntryPoint = "fcntl", SetLastError = true)]
    private static partial int fcntl(int descriptor, int command, int argument);

    /// <summary>kill(2). Returns errno, or 0.</summary>
    internal static int Kill(int pid, int signal) => kill(pid, signal) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>pidfd_open(2). The handle is invalid on failure; errno tells why.</summary>
    internal static SafeFileHandle OpenPidFd(int pid, out int errno)
    {
        nint result = syscall(SYS_pidfd_open, pid, 0, 0, 0);
        errno = result < 0 ? Marshal.GetLastPInvokeError() : 0;
        return new SafeFileHandle(result, ownsHandle: true);
    }

    /// <summary>pidfd_send_signal(2). Returns errno, or 0.</summary>
    internal static int Signal(SafeHandle pidFd, int signal)
    {
        using var at = new Borrowed(pidFd, -1);
        return syscall(SYS_pidfd_send_signal, at.Descriptor, signal, 0, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>Sets the soft limit of another process of ours, leaving the hard one (prlimit(2)). Returns errno, or 0.</summary>
    internal static unsafe int SetSoftLimit(int pid, int resource, ulong value)
    {
        RLimit limit;
        if (prlimit(pid, resource, null, &limit) != 0)
        {
            return Marshal.GetLastPInvokeError();
        }

        limit.Current = Math.Min(value, limit.Maximum);
        return prlimit(pid, resource, &limit, null) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>Waits until the descriptor is readable, which for a pidfd means that the process has ended.</summary>
    /// <returns>Whether it was, within <paramref name="milliseconds"/>.</returns>
    internal static unsafe bool WaitReadable(SafeHandle descriptor, int milliseconds)
    {
        const short POLLIN = 1;
        using var at = new Borrowed(descriptor, -1);
        var wanted = new PollDescriptor { Descriptor = at.Descriptor, Events = POLLIN };
        long end = Environment.TickCount64 + milliseconds;
        while (true)
        {
            int left = (int)Math.Max(0, end - Environment.TickCount64);
            int result = poll(&wanted, 1, left);
            if (result >= 0)
            {
                return result > 0;
            }

            if (Marshal.GetLastPInvokeError() != EINTR)
            {
                return false;
            }
        }
    }

    [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
    private static unsafe partial int ioctl(int descriptor, nuint request, PidFdInfo* info);

    /// <summary>
    /// Waits for a child's end and reaps it (waitid(2)). Where .NET is PID 1 it reaps every child, and may be first: the
    /// kernel then still knows the status, from Linux 6.15 on.
    /// </summary>
    /// <param name="child">The child's pidfd.</param>
    /// <param name="code">Its exit code, or the number of the signal that ended it.</param>
    /// <param name="exited">Whether it exited by itself.</param>
    /// <returns>errno, or 0.</returns>
    internal static unsafe int Reap(SafeHandle child, out int code, out bool exited)
    {
        // siginfo_t is 128 bytes; si_code is its third int, and for SIGCHLD on 64 bit si_status its seventh (sigaction(2)).
        byte* info = stackalloc byte[128];
        using var at = new Borrowed(child, -1);
        int errno;
        do
        {
            errno = waitid(P_PIDFD, at.Descriptor, info, WEXITED) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
        while (errno == EINTR);
        int* fields = (int*)info;
        exited = fields[2] == CLD_EXITED;
        code = fields[6];
        return errno == ECHILD && TryReadStatus(at.Descriptor, out code, out exited) ? 0 : errno;
    }

    private static unsafe bool TryReadStatus(int pidFd, out int code, out bool exited)
    {
        // linux/pidfd.h
        const ulong PIDFD_INFO_EXIT = 1 << 3;
        const nuint PIDFD_GET_INFO = 0xC040_FF0B;
        const int SignalMask = 0x7f;
        var info = new PidFdInfo { Mask = PIDFD_INFO_EXIT };
        bool isKnown = ioctl(pidFd, PIDFD_GET_INFO, &info) == 0 && (info.Mask & PIDFD_INFO_EXIT) != 0;
        exited = isKnown && (info.ExitStatus & SignalMask) == 0;
        code = exited ? info.ExitStatus >> 8 : info.ExitStatus & SignalMask;
        return isKnown;
    }

    /// <summary>A copy of the descriptor, close-on-exec, with a number of at least <paramref name="minimum"/>.</summary>
    internal static SafeFileHandle Duplicate(SafeHandle descriptor, int minimum, out int errno)
    {
        const int F_DUPFD_CLOEXEC = 1030;
        using var at = new Borrowed(descriptor, -1);
        int result = fcntl(at.Descriptor, F_DUPFD_CLOEXEC, minimum);
        errno = result < 0 ? Marshal.GetLastPInvokeError() : 0;
        return new SafeFileHandle(result, ownsHandle: true);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct RLimit
    {
        internal ulong Current;
        internal ulong Maximum;
    }

    // struct pidfd_info in its first version: mask, cgroup, eleven ids, and the status as wait(2) has it.
    [StructLayout(LayoutKind.Explicit, Size = 64)]
    private struct PidFdInfo
    {
        [FieldOffset(0)]
        internal ulong Mask;

        [FieldOffset(60)]
        internal int ExitStatus;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }
}
