using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Interop;

namespace PSCrac.Staging;

/// <summary>
/// The folder that an image is made in, locked (flock(2)) for as long as whoever makes it lives. One that nobody has
/// locked was left by a session that was killed, and the next checkpoint beside it takes it away.
/// </summary>
internal sealed class StagingFolder : IDisposable
{
    private const uint Private = 0x1C0; // 0700
    private const string Prefix = ImageName.StagingPrefix;
    private const string Suffix = ".partial";
    private const int MostTries = 5;

    private StagingFolder(SafeFileHandle parent, string parentPath, string name, SafeFileHandle handle)
    {
        Parent = parent;
        Path = System.IO.Path.Combine(parentPath, name);
        Name = name;
        Handle = handle;
    }

    /// <summary>The folder, locked until this is closed.</summary>
    internal SafeFileHandle Handle { get; }

    /// <summary>The folder that it is in.</summary>
    internal SafeFileHandle Parent { get; }

    /// <summary>Its name there.</summary>
    internal string Name { get; }

    /// <summary>Its path.</summary>
    internal string Path { get; }

    /// <summary>Makes one, and sweeps what others have abandoned beside it.</summary>
    /// <param name="target">The folder that the image is to stand in.</param>
    /// <param name="targetPath">Its path.</param>
    /// <param name="elsewhere">A folder above it, to make it in if that can be written to; null for none.</param>
    /// <param name="errno">Why it could not be made; 0 where it was.</param>
    /// <returns>The folder; null on failure.</returns>
    internal static StagingFolder? TryMake(SafeFileHandle target, string targetPath, string? elsewhere, out Errno errno)
    {
        SweepAbandoned(target);
        if (elsewhere is not null)
        {
            SafeFileHandle folder = LibC.Open(elsewhere, LibC.O_RDONLY | LibC.O_DIRECTORY, out errno);
            if (errno == 0)
            {
                SweepAbandoned(folder);
                if (TryMakeIn(folder, elsewhere, out errno) is { } made)
                {
                    return made;
                }
            }

            folder.Dispose();
        }

        SafeFileHandle parent = LibC.Duplicate(target, 0, out errno);
        StagingFolder? beside = errno == 0 ? TryMakeIn(parent, targetPath, out errno) : null;
        if (beside is null)
        {
            parent.Dispose();
        }

        return beside;
    }

    /// <summary>Lets go of it; whoever finds it then under its name may take it away.</summary>
    public void Dispose()
    {
        Handle.Dispose();
        Parent.Dispose();
    }

    private static StagingFolder? TryMakeIn(SafeFileHandle parent, string parentPath, out Errno errno)
    {
        int triesLeft = MostTries;
        do
        {
            string name = NewName();
            errno = LibC.MakeDirectory(parent, name, Private);
            SafeFileHandle folder = errno == 0 ? Open(parent, name, out errno) : new SafeFileHandle(-1, ownsHandle: true);

            // Between the making and the locking another session may have taken it for an abandoned one.
            errno = errno == 0 && LibC.TryLock(folder) == Errno.EAGAIN ? Errno.EAGAIN : errno;
            if (errno == 0)
            {
                Open(parent, name, out errno).Dispose();
            }

            if (errno == 0)
            {
                return new StagingFolder(parent, parentPath, name, folder);
            }

            folder.Dispose();
        }
        while (errno is Errno.EAGAIN or Errno.ENOENT && --triesLeft > 0);
        return null;
    }

    /// <summary>A name that no staging folder has. What stands under it without a lock is swept.</summary>
    internal static string NewName() => $"{Prefix}{Guid.NewGuid():N}{Suffix}";

    /// <summary>
    /// Locks a folder that is to stand under a staging name for a while, until this is closed. Where it cannot be locked,
    /// another session has it locked, or the file system knows no locks; then nobody takes it away either.
    /// </summary>
    internal static SafeFileHandle? Hold(SafeFileHandle parent, string name)
    {
        SafeFileHandle folder = Open(parent, name, out Errno errno);
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

    private static SafeFileHandle Open(SafeFileHandle parent, string name, out Errno errno) =>
        LibC.OpenAt(parent, name, LibC.O_RDONLY | LibC.O_DIRECTORY | LibC.O_NOFOLLOW, out errno);

    private static List<string> Names(SafeFileHandle folder, string pattern)
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(
                $"/proc/self/fd/{folder.DangerousGetHandle()}", pattern, new EnumerationOptions { AttributesToSkip = 0 }).Select(static path => System.IO.Path.GetFileName(path)!)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
