using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    [LibraryImport(Library, EntryPoint = "flock", SetLastError = true)]
    private static partial int flock(SafeHandle descriptor, int operation);

    /// <summary>
    /// The same with a lock that others may share; a lock that the open file description has already becomes one. As long as it is held
    /// nobody takes an exclusive one.
    /// </summary>
    internal static Errno TryLockShared(SafeHandle file)
    {
        const int LOCK_SH = 1;
        const int LOCK_NB = 4;
        return Result(flock(file, LOCK_SH | LOCK_NB));
    }

    /// <summary>
    /// Takes an exclusive lock with flock(2), without waiting. The lock belongs to the open file description and is released when its
    /// last descriptor, in any process, is closed. <see cref="Errno.EAGAIN"/> if the file is already locked.
    /// </summary>
    internal static Errno TryLock(SafeHandle file)
    {
        const int LOCK_EX = 2;
        const int LOCK_NB = 4;
        return Result(flock(file, LOCK_EX | LOCK_NB));
    }
}
