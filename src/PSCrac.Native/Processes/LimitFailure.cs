using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Processes;

/// <summary>The failures of system calls that a low limit of this session causes.</summary>
internal static class LimitFailure
{
    /// <summary>Copies a descriptor to a number that is not below another one (fcntl(2)), and adds to the failures so far.</summary>
    /// <param name="descriptor">The descriptor.</param>
    /// <param name="lowest">The lowest number.</param>
    /// <param name="errno">The first failure. Where the limit is not above the number, the kernel says EINVAL, which is made EMFILE.</param>
    internal static SafeFileHandle CopyHigh(SafeHandle descriptor, int lowest, ref Errno errno)
    {
        SafeFileHandle copy = LibC.Duplicate(descriptor, lowest, out Errno failed);
        errno = errno != 0 ? errno : failed == Errno.EINVAL ? Errno.EMFILE : failed;
        return copy;
    }

    /// <summary>Explains a failure; null if no limit caused it.</summary>
    /// <param name="what">What failed, as the beginning of a sentence.</param>
    /// <param name="errno">The failure.</param>
    internal static CracException? Explain(string what, Errno errno)
    {
        (string why, string recommendedAction)? limit = errno switch
        {
            Errno.EMFILE => (
                $"this session may have only {LibC.GetSoftLimit(LibC.RLIMIT_NOFILE).ToString(CultureInfo.InvariantCulture)} file descriptors (ulimit -n)",
                "Raise the limit and start the session again: ulimit -n 4096 in the shell that starts it, LimitNOFILE= in its unit, --ulimit nofile= for its container."),
            Errno.ENFILE => (
                "the whole machine has no file descriptor left", "End programs that have many files open, or raise the limit: sysctl fs.file-max."),
            Errno.EAGAIN => (
                "no further process or thread may be created here",
                "Raise the limit: ulimit -u for the user's processes, TasksMax= in the session's unit, --pids-limit for its container (pids.max of its cgroup)."),
            Errno.ENOMEM => (
                "the memory that is left does not suffice",
                "End programs that need much memory, or raise the limit: ulimit -v, MemoryMax= in the session's unit, --memory for its container."),
            _ => null,
        };
        return limit is not { } found ? null : new CracException(CracReason.LimitTooLow, $"{what}: {found.why}.", found.recommendedAction);
    }
}
