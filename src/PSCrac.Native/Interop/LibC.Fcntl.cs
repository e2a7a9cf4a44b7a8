using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const int O_RDONLY = 0;
    internal const int O_WRONLY = 1;
    internal const int O_RDWR = 2;
    internal const int O_CREAT = 0x40;
    internal const int O_EXCL = 0x80;
    internal const int O_NOCTTY = 0x100;
    internal const int O_APPEND = 0x400;
    internal const int O_NONBLOCK = 0x800;
    internal const int O_CLOEXEC = 0x80000;
    internal const int O_PATH = 0x200000;

    internal const int AT_SYMLINK_NOFOLLOW = 0x100;
    internal const int AT_REMOVEDIR = 0x200;
    internal const int AT_NO_AUTOMOUNT = 0x800;
    internal const int AT_EMPTY_PATH = 0x1000;

    // These two values depend on the architecture (asm/fcntl.h).
    internal static readonly int O_DIRECTORY = IsArm ? 0x4000 : 0x10000;
    internal static readonly int O_NOFOLLOW = IsArm ? 0x8000 : 0x20000;

    /// <summary>AT_FDCWD: paths are relative to the working directory.</summary>
    internal static readonly SafeFileHandle WorkingDirectory = new(-100, ownsHandle: false);

    private static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    [LibraryImport(Library, EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle openat(SafeHandle directory, string path, int flags, uint mode);

    [LibraryImport(Library, EntryPoint = "fcntl", SetLastError = true)]
    private static partial SafeFileHandle fcntl(SafeHandle descriptor, int command, int argument);

    // Returns the errno instead of setting it.
    [LibraryImport(Library, EntryPoint = "posix_fadvise")]
    private static partial int posix_fadvise(SafeHandle descriptor, long offset, long length, int advice);

    [LibraryImport(Library, EntryPoint = "sync_file_range")]
    private static partial int sync_file_range(SafeHandle descriptor, long offset, long length, uint flags);

    /// <summary>open(2), always close-on-exec. The handle is invalid on failure.</summary>
    internal static SafeFileHandle Open(string path, int flags, out Errno errno, uint mode = 0) => OpenAt(WorkingDirectory, path, flags, out errno, mode);

    /// <summary>openat(2), always close-on-exec. The handle is invalid on failure.</summary>
    internal static SafeFileHandle OpenAt(SafeHandle directory, string path, int flags, out Errno errno, uint mode = 0)
    {
        while (true)
        {
            SafeFileHandle handle = openat(directory, path, flags | O_CLOEXEC, mode);
            errno = Result(handle);
            if (errno != Errno.EINTR)
            {
                return handle;
            }
        }
    }

    /// <summary>Duplicates a descriptor, close-on-exec, with a number of at least <paramref name="minimum"/>.</summary>
    internal static SafeFileHandle Duplicate(SafeHandle descriptor, int minimum, out Errno errno)
    {
        const int F_DUPFD_CLOEXEC = 1030;
        SafeFileHandle copy = fcntl(descriptor, F_DUPFD_CLOEXEC, minimum);
        errno = Result(copy);
        return copy;
    }

    /// <summary>Starts reading a part of a file into the page cache, without waiting (posix_fadvise(2)).</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">The offset of the part, in bytes.</param>
    /// <param name="length">The length of the part, in bytes, greater than 0; the kernel reads 0 as the rest of the file.</param>
    internal static void WillNeed(SafeHandle file, long offset, long length)
    {
        const int POSIX_FADV_WILLNEED = 3;

        // Errors are ignored: a file system without page cache may not support it.
        posix_fadvise(file, offset, length, POSIX_FADV_WILLNEED);
    }

    /// <summary>
    /// Starts writing a part of a file to the disk, without waiting (sync_file_range(2)). The file must still be synced. A page at its end
    /// that is not whole is left out: it is about to be changed, and would be written twice.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">The offset of the part, in bytes: that of a page.</param>
    /// <param name="length">The length of the part, in bytes.</param>
    /// <returns>The length of what is written, in bytes.</returns>
    internal static long BeginWriteback(SafeHandle file, long offset, long length)
    {
        const uint SYNC_FILE_RANGE_WRITE = 2;
        long whole = length - (length % Environment.SystemPageSize);

        // The kernel reads 0 as the rest of the file. Errors are ignored: the sync reports them.
        if (whole > 0)
        {
            sync_file_range(file, offset, whole, SYNC_FILE_RANGE_WRITE);
        }

        return whole;
    }
}
