using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    [LibraryImport(Library, EntryPoint = "statfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statfs(string path, long* buffer);

    /// <summary>The magic number of the file system that a path leads to (statfs(2)); 0 when it cannot be looked at.</summary>
    internal static long FileSystemOf(string path)
    {
        // The kernel's structure is 120 bytes and begins with the number.
        long* buffer = stackalloc long[32];
        return statfs(path, buffer) == 0 ? buffer[0] : 0;
    }
}
