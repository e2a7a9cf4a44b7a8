using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    private const int P_ALL = 0;
    private const int P_PIDFD = 3;
    private const int WNOHANG = 1;
    private const int WSTOPPED = 2;
    private const int WEXITED = 4;
    private const int WNOWAIT = 0x0100_0000;
    private const int CLD_EXITED = 1;
    private const int CLD_TRAPPED = 4;

    [LibraryImport(Library, EntryPoint = "waitid", SetLastError = true)]
    private static unsafe partial int waitid(int idType, SafeHandle id, int* info, int options);

    /// <summary>
    /// Waits until a child ends and reaps it (waitid(2)). If .NET is PID 1, it reaps all children and may be first: the
    /// kernel then still has the status, since Linux 6.15.
    /// </summary>
    /// <param name="child">The child's pidfd.</param>
    /// <param name="code">The exit code, or the number of the signal that ended the child.</param>
    /// <param name="exited">Whether the child exited; false if a signal ended it.</param>
    internal static unsafe Errno Reap(SafeHandle child, out int code, out bool exited)
    {
        // siginfo_t is 128 bytes; si_code is the third int and, for SIGCHLD on 64 bit, si_status the seventh (sigaction(2)).
        int* info = stackalloc int[32];
        Errno errno;
        do
        {
            errno = Result(waitid(P_PIDFD, child, info, WEXITED));
        }
        while (errno == Errno.EINTR);
        exited = info[2] == CLD_EXITED;
        code = info[6];
        return errno == Errno.ECHILD && TryReadStatus(child, out code, out exited) ? Errno.None : errno;
    }

    /// <summary>Waits until any child ends and reaps it (waitid(2)).</summary>
    /// <inheritdoc cref="TryReapAny"/>
    /// <returns>The errno; <see cref="Errno.ECHILD"/> where there is no child.</returns>
    internal static unsafe Errno ReapAny(out int pid, out int code, out bool exited)
    {
        int* info = stackalloc int[32];
        Errno errno;
        do
        {
            errno = Result(waitid(P_ALL, NoDescriptor, info, WEXITED));
        }
        while (errno == Errno.EINTR);
        pid = info[4];
        exited = info[2] == CLD_EXITED;
        code = info[6];
        return errno;
    }

    /// <summary>Reaps one ended child, if there is one, without waiting (waitid(2)).</summary>
    /// <param name="pid">The child's pid; 0 if none has ended.</param>
    /// <param name="code">The exit code, or the number of the signal that ended the child.</param>
    /// <param name="exited">Whether the child exited; false if a signal ended it.</param>
    /// <returns>Whether a child was reaped.</returns>
    internal static unsafe bool TryReapAny(out int pid, out int code, out bool exited)
    {
        // As above; si_pid is the fifth int and is unchanged if no child has ended.
        int* info = stackalloc int[32];
        info[4] = 0;
        bool reaped = waitid(P_ALL, NoDescriptor, info, WEXITED | WNOHANG) == 0 && info[4] != 0;
        pid = info[4];
        exited = info[2] == CLD_EXITED;
        code = info[6];
        return reaped;
    }

    /// <summary>
    /// Waits until a traced process stops (waitid(2), ptrace(2)). Nothing is consumed: whoever reaps the process still sees its end, and a
    /// stop is gone when the tracer resumes it.
    /// </summary>
    /// <param name="process">The pidfd of the process, which this thread traces.</param>
    /// <param name="status">The signal of the stop; with PTRACE_O_TRACESYSGOOD a system call's has bit 7 set, an event's number is above.</param>
    /// <returns>Whether it stopped; false if it ended.</returns>
    internal static unsafe bool WaitForStop(SafeHandle process, out int status)
    {
        // As above.
        int* info = stackalloc int[32];
        Errno errno;
        do
        {
            errno = Result(waitid(P_PIDFD, process, info, WSTOPPED | WEXITED | WNOWAIT));
        }
        while (errno == Errno.EINTR);
        status = info[6];
        return errno == 0 && info[2] == CLD_TRAPPED;
    }
}
