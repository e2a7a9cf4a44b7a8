using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    private const ulong MS_NOSUID = 2;
    private const ulong MS_NODEV = 4;
    private const ulong MS_NOEXEC = 8;
    private const ulong MS_REC = 0x4000;
    private const ulong MS_PRIVATE = 0x40000;
    private const ulong MS_SLAVE = 1 << 19;

    [LibraryImport(Library, EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mount(string? source, string target, string? fileSystem, ulong flags, string? data);

    /// <summary>
    /// Gives the calling thread, and what it starts, a mount namespace of its own, in which mounting shows nowhere else
    /// (unshare(2)). It is the thread's until that ends, so call it on one that was made for it.
    /// </summary>
    internal static Errno EnterOwnMounts()
    {
        Errno errno = Unshare(CLONE_NEWNS);
        return errno == 0 ? Result(mount(null, "/", null, MS_REC | MS_PRIVATE, null)) : errno;
    }

    /// <summary>Mounts an empty tmpfs on a directory (mount(2)).</summary>
    internal static Errno MountTmpfs(string directory) => Result(mount("tmpfs", directory, "tmpfs", 0, "mode=0755"));

    /// <summary>Mounts the calling process's pid namespace's proc (mount(2), proc(5)).</summary>
    internal static Errno MountProc(string directory) => Result(mount("proc", directory, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, null));

    /// <summary>
    /// Lets mounts made in the thread's own mount namespace stay in it, while those that the host makes or takes away
    /// still come through (mount(2)).
    /// </summary>
    internal static Errno DetachMounts() => Result(mount(null, "/", null, MS_REC | MS_SLAVE, null));
}
