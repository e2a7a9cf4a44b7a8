using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    [LibraryImport(Library, EntryPoint = "statfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statfs(string path, long* buffer);

    [LibraryImport(Library, EntryPoint = "fstatfs", SetLastError = true)]
    private static partial int fstatfs(SafeHandle file, long* buffer);

    /// <summary>The free space of the file system of a file that a user without privileges may take, in bytes (fstatfs(2)); null on failure.</summary>
    internal static long? FreeSpaceOf(SafeHandle file)
    {
        // f_bsize and f_bavail, in the layout of the 64-bit architectures.
        const int BlockSizeIndex = 1;
        const int AvailableIndex = 4;
        long* buffer = stackalloc long[32];
        return fstatfs(file, buffer) == 0 ? buffer[BlockSizeIndex] * buffer[AvailableIndex] : null;
    }

    /// <summary>Whether a path is on a read-only mount or file system (ST_RDONLY of statfs(2)); false on failure.</summary>
    internal static bool IsReadOnly(string path)
    {
        const int FlagsIndex = 10; // f_flags, in the layout of the 64-bit architectures
        long* buffer = stackalloc long[32];
        return statfs(path, buffer) == 0 && (buffer[FlagsIndex] & 1) != 0;
    }

    /// <summary>The magic number of the file system of a path (statfs(2)); 0 on failure.</summary>
    internal static long FileSystemOf(string path)
    {
        // The kernel's structure has 120 bytes and begins with the number.
        long* buffer = stackalloc long[32];
        return statfs(path, buffer) == 0 ? buffer[0] : 0;
    }
}
