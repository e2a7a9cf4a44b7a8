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
    /// Waits for a child's end and reaps it (waitid(2)). Where .NET is PID 1 it reaps every child, and may be first: the
    /// kernel then still knows the status, from Linux 6.15 on.
    /// </summary>
    /// <param name="child">The child's pidfd.</param>
    /// <param name="code">Its exit code, or the number of the signal that ended it.</param>
    /// <param name="exited">Whether it exited by itself.</param>
    internal static unsafe Errno Reap(SafeHandle child, out int code, out bool exited)
    {
        // siginfo_t is 128 bytes; si_code is its third int, and for SIGCHLD on 64 bit si_status its seventh (sigaction(2)).
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

    /// <summary>Reaps one child that has ended, if there is one, without waiting (waitid(2)).</summary>
    /// <param name="pid">The child; 0 where none has ended.</param>
    /// <param name="code">Its exit code, or the number of the signal that ended it.</param>
    /// <param name="exited">Whether it exited by itself.</param>
    /// <returns>Whether one was reaped.</returns>
    internal static unsafe bool TryReapAny(out int pid, out int code, out bool exited)
    {
        // As above; si_pid is the fifth int, and stays as it was where none has ended.
        int* info = stackalloc int[32];
        info[4] = 0;
        bool reaped = waitid(P_ALL, NoDescriptor, info, WEXITED | WNOHANG) == 0 && info[4] != 0;
        pid = info[4];
        exited = info[2] == CLD_EXITED;
        code = info[6];
        return reaped;
    }
}
