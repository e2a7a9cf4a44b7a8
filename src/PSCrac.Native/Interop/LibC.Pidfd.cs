using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static partial class LibC
{
    // The same on every architecture since 2019 (asm-generic/unistd.h).
    private const nint SYS_pidfd_send_signal = 424;
    private const nint SYS_pidfd_open = 434;
    private const nint SYS_pidfd_getfd = 438;

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static partial nint pidfd_open(nint number, nint pid, nint flags);

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static unsafe partial nint pidfd_send_signal(nint number, SafeHandle pidFd, nint signal, int* info, nint flags);

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static partial nint pidfd_getfd(nint number, SafeHandle pidFd, nint descriptor, nint flags);

    [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
    private static unsafe partial int ioctl(SafeHandle descriptor, nuint request, PidFdInfo* info);

    /// <summary>pidfd_open(2). The handle is invalid on failure.</summary>
    internal static SafeFileHandle OpenPidFd(int pid, out Errno errno)
    {
        nint result = pidfd_open(SYS_pidfd_open, pid, 0);
        errno = result < 0 ? LastError : Errno.None;
        return new SafeFileHandle(result, ownsHandle: true);
    }

    /// <summary>
    /// Duplicates a descriptor of another process, close-on-exec (pidfd_getfd(2), Linux 5.6). The handle is invalid on failure.
    /// </summary>
    internal static SafeFileHandle GetDescriptor(SafeHandle pidFd, int descriptor, out Errno errno)
    {
        nint result = pidfd_getfd(SYS_pidfd_getfd, pidFd, descriptor, 0);
        errno = result < 0 ? LastError : Errno.None;
        return new SafeFileHandle(result, ownsHandle: true);
    }

    /// <summary>pidfd_send_signal(2).</summary>
    internal static unsafe Errno Signal(SafeHandle pidFd, int signal) => Result((int)pidfd_send_signal(SYS_pidfd_send_signal, pidFd, signal, null, 0));

    /// <summary>
    /// Queues a signal with an integer, as sigqueue(3) does, to the process of a pidfd (pidfd_send_signal(2)).
    /// </summary>
    internal static unsafe Errno Queue(SafeHandle pidFd, int signal, int value)
    {
        const int SI_QUEUE = -1;

        // siginfo_t on 64 bit: si_signo, si_errno, si_code, padding, si_pid, si_uid, then sigval (sigaction(2)).
        int* info = stackalloc int[32];
        new Span<int>(info, 32).Clear();
        info[0] = signal;
        info[2] = SI_QUEUE;
        info[4] = GetPid();
        info[5] = (int)GetEffectiveUserId();
        info[6] = value;
        return Result((int)pidfd_send_signal(SYS_pidfd_send_signal, pidFd, signal, info, 0));
    }

    // Since Linux 6.15 the kernel keeps the status of a reaped process as long as a pidfd refers to it.
    private static unsafe bool TryReadStatus(SafeHandle pidFd, out int code, out bool exited)
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

    // struct pidfd_info in its first version: mask, cgroup, eleven ids, and the status as wait(2) encodes it.
    [StructLayout(LayoutKind.Explicit, Size = 64)]
    private struct PidFdInfo
    {
        [FieldOffset(0)]
        internal ulong Mask;

        [FieldOffset(60)]
        internal int ExitStatus;
    }
}
