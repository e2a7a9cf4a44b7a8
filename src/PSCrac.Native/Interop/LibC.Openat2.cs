using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static partial class LibC
{
    // The same on every architecture (asm-generic/unistd.h). The C library has no wrapper for it before glibc 2.43.
    private const nint SYS_openat2 = 437;

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial nint openat2(nint number, SafeHandle directory, string path, OpenHow* how, nint size);

    /// <summary>
    /// openat2(2), close-on-exec always: nothing on the way is a symbolic link, and nothing leads out of the directory.
    /// The handle is invalid on failure: <see cref="Errno.ENOSYS"/> before Linux 5.6, <see cref="Errno.ELOOP"/> for a link,
    /// <see cref="Errno.EXDEV"/> for a way out.
    /// </summary>
    internal static unsafe SafeFileHandle OpenBeneath(SafeHandle directory, string path, int flags, out Errno errno, uint mode = 0)
    {
        // linux/openat2.h
        const ulong RESOLVE_NO_SYMLINKS = 4;
        const ulong RESOLVE_BENEATH = 8;
        var how = new OpenHow
        {
            Flags = (uint)(flags | O_CLOEXEC),
            Mode = (flags & O_CREAT) != 0 ? mode : 0,
            Resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
        };
        nint result;
        do
        {
            result = openat2(SYS_openat2, directory, path, &how, sizeof(OpenHow));
            errno = result < 0 ? LastError : Errno.None;
        }
        while (errno == Errno.EINTR);
        return new SafeFileHandle(result, ownsHandle: true);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct OpenHow
    {
        internal ulong Flags;
        internal ulong Mode;
        internal ulong Resolve;
    }
}
