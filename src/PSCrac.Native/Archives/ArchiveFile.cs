using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Archives;

/// <summary>Opens archives and files of keys, which the caller names and which are only read.</summary>
internal static class ArchiveFile
{
    /// <summary>Opens a regular file for reading; null on failure. Symbolic links are followed.</summary>
    internal static SafeFileHandle? TryOpen(string path, out Errno errno)
    {
        // Opening a FIFO would wait for a writer.
        SafeFileHandle file = LibC.Open(path, LibC.O_RDONLY | LibC.O_NONBLOCK | LibC.O_NOCTTY, out errno);
        if (errno == 0 && FileStatus.TryReadAt(file, "", LibC.AT_EMPTY_PATH, out FileStatus status, out errno) && status.Type != FileType.Regular)
        {
            errno = status.Type == FileType.Directory ? Errno.EISDIR : Errno.EINVAL;
        }

        if (errno == 0)
        {
            return file;
        }

        file.Dispose();
        return null;
    }
}
