using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const int CLONE_NEWNS = 0x20000;
    private const ulong MS_REC = 0x4000;
    private const ulong MS_PRIVATE = 0x40000;

    [LibraryImport(Library, EntryPoint = "unshare", SetLastError = true)]
    private static partial int unshare(int flags);

    [LibraryImport(Library, EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mount(string? source, string target, string? fileSystem, ulong flags, string? data);

    [LibraryImport(Library, EntryPoint = "symlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int symlinkat(string target, int directory, string path);

    /// <summary>
    /// Gives the calling thread, and what it starts, a mount namespace of its own, in which mounting shows nowhere else
    /// (unshare(2)). It is the thread's until that ends, so call it on one that was made for it. Returns errno, or 0.
    /// </summary>
    internal static int EnterOwnMounts()
    {
        int result = unshare(CLONE_NEWNS);
        if (result == 0)
        {
            result = mount(null, "/", null, MS_REC | MS_PRIVATE, null);
        }

        return result == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>Mounts an empty tmpfs on a directory (mount(2)). Returns errno, or 0.</summary>
    internal static int MountTmpfs(string directory) =>
        mount("tmpfs", directory, "tmpfs", 0, "mode=0755") == 0 ? 0 : Marshal.GetLastPInvokeError();

    /// <summary>Makes a symbolic link (symlinkat(2)). Returns errno, or 0.</summary>
    internal static int MakeLink(SafeHandle directory, string name, string target)
    {
        using var at = new Borrowed(directory, AT_FDCWD);
        return symlinkat(target, at.Descriptor, name) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }
}
