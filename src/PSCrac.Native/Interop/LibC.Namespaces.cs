using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const int CLONE_FS = 0x200;
    internal const int CLONE_NEWPID = 0x20000000;

    private const ulong MS_SLAVE = 1 << 19;

    [LibraryImport(Library, EntryPoint = "setns", SetLastError = true)]
    private static partial int setns(int descriptor, int kind);

    /// <summary>unshare(2) for the calling thread. Returns errno, or 0.</summary>
    internal static int Unshare(int flags) => unshare(flags) == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>setns(2) for the calling thread. Returns errno, or 0.</summary>
    /// <param name="descriptor">A file of /proc/PID/ns.</param>
    /// <param name="kind">The CLONE_NEW constant of what the descriptor must be.</param>
    internal static int Enter(SafeFileHandle descriptor, int kind)
    {
        using var at = new Borrowed(descriptor, -1);
        return setns(at.Descriptor, kind) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>
    /// Lets mounts made in the thread's own mount namespace stay in it, while those that the host makes or takes away
    /// still come through (mount(2)). Returns errno, or 0.
    /// </summary>
    internal static unsafe int DetachMounts() => mount(null, "/", null, MS_REC | MS_SLAVE, null) == 0 ? 0 : Marshal.GetLastPInvokeError();
}
