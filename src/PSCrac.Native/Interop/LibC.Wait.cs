using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    private const int P_ALL = 0;
    private const int P_PIDFD = 3;
    private const int WNOHANG = 1;
    private const int WEXITED = 4;
    private const int CLD_EXITED = 1;

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
}
