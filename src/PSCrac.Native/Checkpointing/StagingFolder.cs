using Microsoft.Win32.SafeHandles;
using PSCrac.Images;
using PSCrac.Interop;

namespace PSCrac.Checkpointing;

/// <summary>
/// The folder that an image is made in, locked (flock(2)) for as long as whoever makes it lives. One that nobody has
/// locked was left by a session that was killed, and the next checkpoint beside it takes it away.
/// </summary>
internal static class StagingFolder
{
    private const uint Private = 0x1C0; // 0700
    private const string Prefix = ".pscrac-";
    private const string Suffix = ".partial";
    private const int MostTries = 5;

    /// <summary>Makes one.</summary>
    /// <param name="parent">The folder that it is made in.</param>
    /// <param name="name">Its name there.</param>
    /// <param name="errno">Why it could not be made; 0 where it was.</param>
    /// <returns>The folder, locked until this is closed; invalid on failure.</returns>
    internal static SafeFileHandle Make(SafeFileHandle parent, out string name, out int errno)
    {
        SafeFileHandle folder;
        int triesLeft = MostTries;
        do
        {
            name = $"{Prefix}{Guid.NewGuid():N}{Suffix}";
            errno = LibC.MakeDirectory(parent, name, Private);
            folder = errno == 0 ? Open(parent, name, out errno) : new SafeFileHandle(-1, ownsHandle: true);

            // Between the making and the locking another session may have taken it for an abandoned one.
            errno = errno == 0 && LibC.TryLock(folder) == LibC.EAGAIN ? LibC.EAGAIN : errno;
            if (errno == 0)
            {
                Open(parent, name, out errno).Dispose();
            }

            if (errno != 0)
            {
                folder.Dispose();
            }
        }
        while (errno is LibC.EAGAIN or LibC.ENOENT && --triesLeft > 0);
        return folder;
    }

    /// <summary>
    /// Locks a folder that is to stand under a staging name for a while, until this is closed. Where it cannot be locked,
    /// another session has it locked, or the file system knows no locks; then nobody takes it away either.
    /// </summary>
    internal static SafeFileHandle? Hold(SafeFileHandle parent, string name)
    {
        SafeFileHandle folder = Open(parent, name, out int errno);
        if (errno == 0 && LibC.TryLock(folder) == 0)
        {
            return folder;
        }

        folder.Dispose();
        return null;
    }

    /// <summary>
    /// Removes the files of images in folders that nobody has locked, and those folders. Works on descriptors and goes no
    /// deeper, so it removes nothing else, whoever may write to the folder above.
    /// </summary>
    internal static void SweepAbandoned(SafeFileHandle parent)
    {
        foreach (string name in Names(parent, $"{Prefix}*{Suffix}"))
        {
            using SafeFileHandle? folder = Hold(parent, name);
            if (folder is null)
            {
                continue;
            }

            foreach (string file in Names(folder, "*"))
            {
                if (ImageRemoval.IsOfImage(file))
                {
                    LibC.Unlink(folder, file, 0);
                }
            }

            LibC.Unlink(parent, name, LibC.AT_REMOVEDIR);
        }
    }

    private static SafeFileHandle Open(SafeFileHandle parent, string name, out int errno) =>
        LibC.OpenAt(parent, name, LibC.O_RDONLY | LibC.O_DIRECTORY | LibC.O_NOFOLLOW, out errno);

    private static List<string> Names(SafeFileHandle folder, string pattern)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(
                $"/proc/self/fd/{folder.DangerousGetHandle()}", pattern, new EnumerationOptions { AttributesToSkip = 0 }).Select(static path => Path.GetFileName(path)!)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
