using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const int CLONE_FS = 0x200;
    internal const int CLONE_NEWNS = 0x20000;
    internal const int CLONE_NEWPID = 0x20000000;
    internal const int CLONE_NEWNET = 0x40000000;

    internal const int SCHED_OTHER = 0;
    internal const int SCHED_FIFO = 1;
    internal const int SCHED_RR = 2;
    internal const int SCHED_DEADLINE = 6;
    internal const int SCHED_EXT = 7;
    internal const int SCHED_RESET_ON_FORK = 0x40000000;

    // linux/ioprio.h.
    private const nint IOPRIO_WHO_PROCESS = 1;
    private const int PRIO_PROCESS = 0;

    private static nint SYS_ioprio_set => IsArm ? 30 : 251;

    private static nint SYS_ioprio_get => IsArm ? 31 : 252;

    [LibraryImport(Library, EntryPoint = "sched_getaffinity", SetLastError = true)]
    private static unsafe partial int sched_getaffinity(int thread, nuint size, byte* mask);

    [LibraryImport(Library, EntryPoint = "sched_setaffinity", SetLastError = true)]
    private static unsafe partial int sched_setaffinity(int thread, nuint size, byte* mask);

    [LibraryImport(Library, EntryPoint = "sched_getscheduler", SetLastError = true)]
    private static partial int sched_getscheduler(int thread);

    [LibraryImport(Library, EntryPoint = "sched_getparam", SetLastError = true)]
    private static partial int sched_getparam(int thread, out int priority);

    [LibraryImport(Library, EntryPoint = "sched_setscheduler", SetLastError = true)]
    private static partial int sched_setscheduler(int thread, int policy, in int priority);

    [LibraryImport(Library, EntryPoint = "getpriority", SetLastError = true)]
    private static partial int getpriority(int which, int thread);

    [LibraryImport(Library, EntryPoint = "setpriority", SetLastError = true)]
    private static partial int setpriority(int which, int thread, int nice);

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static partial nint ioprio(nint number, nint which, nint thread, nint value);

    [LibraryImport(Library, EntryPoint = "unshare", SetLastError = true)]
    private static partial int unshare(int flags);

    [LibraryImport(Library, EntryPoint = "setns", SetLastError = true)]
    private static partial int setns(SafeHandle descriptor, int kind);

    /// <summary>unshare(2) for the calling thread.</summary>
    internal static Errno Unshare(int flags) => Result(unshare(flags));

    /// <summary>setns(2) for the calling thread only.</summary>
    /// <param name="descriptor">A file of /proc/PID/ns.</param>
    /// <param name="kind">The CLONE_NEW constant of the expected namespace type.</param>
    internal static Errno Enter(SafeHandle descriptor, int kind) => Result(setns(descriptor, kind));

    /// <summary>sched_getaffinity(2): the CPUs that a thread may run on, a bit each; cleared beyond those that the kernel knows.</summary>
    internal static unsafe Errno GetAffinity(int thread, Span<byte> mask)
    {
        mask.Clear();
        fixed (byte* bytes = mask)
        {
            return Result(sched_getaffinity(thread, (nuint)mask.Length, bytes));
        }
    }

    /// <summary>sched_setaffinity(2).</summary>
    internal static unsafe Errno SetAffinity(int thread, ReadOnlySpan<byte> mask)
    {
        fixed (byte* bytes = mask)
        {
            return Result(sched_setaffinity(thread, (nuint)mask.Length, bytes));
        }
    }

    /// <summary>sched_getscheduler(2) and sched_getparam(2): a thread's policy, with its flag, and its real-time priority.</summary>
    internal static Errno GetScheduler(int thread, out int policy, out int priority)
    {
        priority = 0;
        policy = sched_getscheduler(thread);
        return policy < 0 ? LastError : Result(sched_getparam(thread, out priority));
    }

    /// <summary>sched_setscheduler(2).</summary>
    internal static Errno SetScheduler(int thread, int policy, int priority) => Result(sched_setscheduler(thread, policy, in priority));

    /// <summary>getpriority(2) of a thread: its nice value; 0 if it has ended.</summary>
    internal static int GetNice(int thread)
    {
        int nice = getpriority(PRIO_PROCESS, thread);
        return nice == -1 && LastError == Errno.ESRCH ? 0 : nice;
    }

    /// <summary>setpriority(2) of a thread.</summary>
    internal static Errno SetNice(int thread, int nice) => Result(setpriority(PRIO_PROCESS, thread, nice));

    /// <summary>ioprio_get(2) of a thread: class and level; 0 if none was set, or it has ended.</summary>
    internal static int GetIoPriority(int thread) => Math.Max(0, (int)ioprio(SYS_ioprio_get, IOPRIO_WHO_PROCESS, thread, 0));

    /// <summary>ioprio_set(2) of a thread.</summary>
    internal static Errno SetIoPriority(int thread, int value) => Result((int)ioprio(SYS_ioprio_set, IOPRIO_WHO_PROCESS, thread, value));
}
