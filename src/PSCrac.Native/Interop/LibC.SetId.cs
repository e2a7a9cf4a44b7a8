using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    // arch/x86/entry/syscalls/syscall_64.tbl and asm-generic/unistd.h.
    private static nint SYS_setresuid => IsArm ? 147 : 117;

    private static nint SYS_setresgid => IsArm ? 149 : 119;

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static partial nint setres(nint number, nint real, nint effective, nint saved);

    /// <summary>
    /// Runs an action with the effective ids of another user, on a new thread. The C library's seteuid would change
    /// all threads; the system calls change only the calling one. Requires CAP_SETUID and CAP_SETGID.
    /// </summary>
    /// <exception cref="UnauthorizedAccessException">No permission to change the ids.</exception>
    internal static T RunAs<T>(uint user, uint group, Func<T> action)
    {
        T? result = default;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            // Changing ids makes the whole process undumpable (ptrace(2)); the previous setting is restored.
            int dumpable = GetDumpable();
            try
            {
                if (setres(SYS_setresgid, -1, (nint)group, -1) != 0 || setres(SYS_setresuid, -1, (nint)user, -1) != 0)
                {
                    throw new UnauthorizedAccessException(Message(LastError));
                }

                result = action();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
            finally
            {
                SetDumpable(Math.Clamp(dumpable, 0, 1));
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
