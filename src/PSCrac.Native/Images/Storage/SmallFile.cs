using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Images.Storage;

/// <summary>Small files of a folder, read and written whole.</summary>
internal static class SmallFile
{
    /// <summary>Reads an open file from its beginning.</summary>
    /// <param name="file">The file.</param>
    /// <param name="maximum">The largest size, in bytes.</param>
    /// <returns>Its content; null if it is larger.</returns>
    /// <exception cref="IOException">It cannot be read.</exception>
    internal static byte[]? Read(SafeFileHandle file, int maximum)
    {
        byte[] buffer = new byte[Math.Min(RandomAccess.GetLength(file), maximum) + 1];
        int filled = 0;
        for (int read; filled < buffer.Length && (read = RandomAccess.Read(file, buffer.AsSpan(filled), filled)) > 0;)
        {
            filled += read;
        }

        return filled > maximum ? null : buffer[..filled];
    }

    /// <summary>Writes a file under another name and renames it, so that a reader finds the old content or the new one.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="name">The name of the file.</param>
    /// <param name="content">The content.</param>
    /// <param name="mode">The mode, less the umask.</param>
    /// <param name="replaces">Whether a file with the name is replaced; otherwise it is <see cref="Errno.EEXIST"/>.</param>
    /// <param name="sync">Whether its content is on the disk before it gets its name (fsync(2)).</param>
    /// <returns>The errno of the failure, after which nothing of the new file is left; 0 on success.</returns>
    internal static Errno Write(FolderHandle folder, string name, ReadOnlySpan<byte> content, uint mode, bool replaces, bool sync = false)
    {
        string temporary = string.Create(null, $".{name}.{Environment.ProcessId}-{Environment.CurrentManagedThreadId}");
        folder.Delete(temporary);
        using (SafeFileHandle file = folder.Create(temporary, out Errno errno, mode))
        {
            if (errno != 0)
            {
                return errno;
            }

            if (!LibC.TryWrite(file, content))
            {
                // The only cause of a short write to a regular file.
                folder.Delete(temporary);
                return Errno.ENOSPC;
            }

            errno = sync ? LibC.Sync(file) : Errno.None;
            if (errno != 0)
            {
                folder.Delete(temporary);
                return errno;
            }
        }

        Errno renamed = folder.Rename(temporary, folder, name, replaces ? 0 : LibC.RENAME_NOREPLACE);
        if (renamed != 0)
        {
            folder.Delete(temporary);
        }

        return renamed;
    }
}
