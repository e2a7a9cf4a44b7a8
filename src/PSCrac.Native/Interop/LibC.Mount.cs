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
    /// Moves the calling thread to a new mount namespace, in which its mounts are not visible elsewhere
    /// (unshare(2)). Processes that it starts are in it too. Call this on a thread that was created for it.
    /// </summary>
    internal static Errno EnterOwnMounts()
    {
        Errno errno = Unshare(CLONE_NEWNS);
        return errno == 0 ? Result(mount(null, "/", null, MS_REC | MS_PRIVATE, null)) : errno;
    }

    /// <summary>Mounts an empty tmpfs on a directory (mount(2)).</summary>
    internal static Errno MountTmpfs(string directory) => Result(mount("tmpfs", directory, "tmpfs", 0, "mode=0755"));

    /// <summary>Mounts proc for the pid namespace of the calling process (mount(2), proc(5)).</summary>
    internal static Errno MountProc(string directory) => Result(mount("proc", directory, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, null));

    /// <summary>
    /// Keeps new mounts in the thread's mount namespace from propagating to the host, while changes of the host's mounts
    /// still propagate to the namespace (MS_SLAVE of mount(2)).
    /// </summary>
    internal static Errno DetachMounts() => Result(mount(null, "/", null, MS_REC | MS_SLAVE, null));
}
