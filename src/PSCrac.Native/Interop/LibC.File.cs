using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    [LibraryImport(Library, EntryPoint = "flock", SetLastError = true)]
    private static partial int flock(SafeHandle descriptor, int operation);

    /// <summary>
    /// flock(2) for oneself alone, without waiting. The lock is the open file's, and goes when its last descriptor, in
    /// whatever process, is closed. <see cref="Errno.EAGAIN"/> where another has it.
    /// </summary>
    internal static Errno TryLock(SafeHandle file)
    {
        const int LOCK_EX = 2;
        const int LOCK_NB = 4;
        return Result(flock(file, LOCK_EX | LOCK_NB));
    }
}
