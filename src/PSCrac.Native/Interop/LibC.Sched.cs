using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const int CLONE_FS = 0x200;
    internal const int CLONE_NEWNS = 0x20000;
    internal const int CLONE_NEWPID = 0x20000000;
    internal const int CLONE_NEWNET = 0x40000000;

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
}
