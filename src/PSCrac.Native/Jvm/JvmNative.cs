using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Jvm;

/// <summary>The system calls that speaking with a JVM needs and that nothing else here does.</summary>
internal static unsafe partial class JvmNative
{
    internal const int SIGQUIT = 3;

    private const int PR_GET_DUMPABLE = 3;
    private const int PR_SET_DUMPABLE = 4;
    private const int SI_QUEUE = -1;

    // The same on every architecture since 2019 (asm-generic/unistd.h).
    private const nint SYS_pidfd_send_signal = 424;

    private static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    // arch/x86/entry/syscalls/syscall_64.tbl and asm-generic/unistd.h.
    private static nint SYS_setresuid => IsArm64 ? 147 : 117;

    private static nint SYS_setresgid => IsArm64 ? 149 : 119;

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint syscall(nint number, nint first, nint second, nint third, nint fourth);

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int prctl(int option, nuint argument, nuint third, nuint fourth, nuint fifth);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    private static partial int fchown(SafeFileHandle file, uint user, uint group);

    [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int linkat(int fromDirectory, string from, SafeFileHandle toDirectory, string to, int flags);

    /// <summary>
    /// Queues a signal with an integer, as sigqueue(3) would, to the very process of a pidfd (pidfd_send_signal(2)).
    /// Returns errno, or 0.
    /// </summary>
    internal static int Queue(SafeFileHandle pidFd, int signal, int value)
    {
        // siginfo_t on 64 bit: si_signo, si_errno, si_code, padding, si_pid, si_uid, then sigval (sigaction(2)).
        int* info = stackalloc int[32];
        new Span<int>(info, 32).Clear();
        info[0] = signal;
        info[2] = SI_QUEUE;
        info[4] = LibC.GetPid();
        info[5] = (int)LibC.GetEffectiveUserId();
        info[6] = value;
        using var at = new LibC.Borrowed(pidFd, -1);
        return syscall(SYS_pidfd_send_signal, at.Descriptor, signal, (nint)info, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>fchown(2). Returns errno, or 0.</summary>
    internal static int ChangeOwner(SafeFileHandle file, uint user, uint group) =>
        fchown(file, user, group) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Gives a file another name (linkat(2)); symbolic links are not followed. Returns errno, or 0.</summary>
    internal static int Link(string file, SafeFileHandle directory, string name) =>
        linkat(LibC.AT_FDCWD, file, directory, name, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>
    /// Runs an action with the effective ids of another user, on a thread of its own. The C library's seteuid would change
    /// all threads; the bare system calls change the calling one. Needs CAP_SETUID and CAP_SETGID.
    /// </summary>
    /// <exception cref="UnauthorizedAccessException">The ids may not be taken.</exception>
    internal static T RunAs<T>(uint user, uint group, Func<T> action)
    {
        T? result = default;
        System.Runtime.ExceptionServices.ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            // Changing ids makes the whole process undumpable (ptrace(2)); it is set back to what it was.
            int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
            try
            {
                if (syscall(SYS_setresgid, -1, (nint)group, -1, 0) != 0 || syscall(SYS_setresuid, -1, (nint)user, -1, 0) != 0)
                {
                    throw new UnauthorizedAccessException(LibC.Message(Marshal.GetLastPInvokeError()));
                }

                result = action();
            }
            catch (Exception e)
            {
                failure = System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(e);
            }
            finally
            {
                prctl(PR_SET_DUMPABLE, (nuint)Math.Clamp(dumpable, 0, 1), 0, 0, 0);
            }
        })
        {
            IsBackground = true,
            Name = "PSCrac as another user",
        };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result!;
    }
}
