using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Interop;

namespace PSCrac.Staging;

/// <summary>
/// The folder that an image is staged in, locked (flock(2)) as long as the process that created it lives. An unlocked one was left
/// by a session that was killed, and the next checkpoint in the same folder removes it.
/// </summary>
internal sealed class StagingFolder : IDisposable
{
    private const uint Private = 0x1C0; // 0700
    private const string Prefix = ImageName.StagingPrefix;
    private const string Suffix = ".partial";
    private const int MaximumAttempts = 5;

    private StagingFolder(SafeFileHandle parent, string parentPath, string name, SafeFileHandle handle)
    {
        Parent = parent;
        Path = System.IO.Path.Combine(parentPath, name);
        Name = name;
        Handle = handle;
    }

    /// <summary>The folder, locked until this is closed.</summary>
    internal SafeFileHandle Handle { get; }

    /// <summary>The folder above, open.</summary>
    internal SafeFileHandle Parent { get; }

    /// <summary>Its name in <see cref="Parent"/>.</summary>
    internal string Name { get; }

    /// <summary>Its path.</summary>
    internal string Path { get; }

    /// <summary>Creates one, and removes abandoned ones beside it.</summary>
    /// <param name="target">The folder above the image.</param>
    /// <param name="targetPath">Its path.</param>
    /// <param name="preferred">A folder above <paramref name="target"/>, to use instead if it is writable; null for none.</param>
    /// <param name="errno">Why it could not be created; 0 on success.</param>
    /// <returns>The folder; null on failure.</returns>
    internal static StagingFolder? TryCreate(SafeFileHandle target, string targetPath, string? preferred, out Errno errno)
    {
        RemoveAbandoned(target);
        if (preferred is not null)
        {
            SafeFileHandle folder = LibC.Open(preferred, LibC.O_RDONLY | LibC.O_DIRECTORY, out errno);
            if (errno == 0)
            {
                RemoveAbandoned(folder);
                if (TryCreateIn(folder, preferred, out errno) is { } above)
                {
                    return above;
                }
            }

            folder.Dispose();
        }

        SafeFileHandle parent = LibC.Duplicate(target, 0, out errno);
        StagingFolder? created = errno == 0 ? TryCreateIn(parent, targetPath, out errno) : null;
        if (created is null)
        {
            parent.Dispose();
        }

        return created;
    }

    /// <summary>Releases the lock; another session may then remove the folder, if it still has its name.</summary>
    public void Dispose()
    {
        Handle.Dispose();
        Parent.Dispose();
    }

    private static StagingFolder? TryCreateIn(SafeFileHandle parent, string parentPath, out Errno errno)
    {
        int attemptsLeft = MaximumAttempts;
        do
        {
            string name = NewName();
            errno = LibC.MakeDirectory(parent, name, Private);
            SafeFileHandle folder = errno == 0 ? Open(parent, name, out errno) : new SafeFileHandle(-1, ownsHandle: true);

            // Before it was locked, another session may have removed it as abandoned.
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
        while (errno is Errno.EAGAIN or Errno.ENOENT && --attemptsLeft > 0);
        return null;
    }

    /// <summary>A new name for a staging folder. An unlocked folder with such a name is removed.</summary>
    internal static string NewName() => $"{Prefix}{Guid.NewGuid():N}{Suffix}";

    /// <summary>
    /// Locks a folder that has a staging name, or will get one, until the result is closed. Null where another session has locked it, or
    /// the file system has no locks; no session removes it then.
    /// </summary>
    internal static SafeFileHandle? TryLock(SafeFileHandle parent, string name)
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
    /// Removes unlocked staging folders with the image files in them. Works on descriptors and on one level, so that it removes nothing
    /// else, even where other users can write to the folder above.
    /// </summary>
    internal static void RemoveAbandoned(SafeFileHandle parent)
    {
        foreach (string name in ListNames(parent, $"{Prefix}*{Suffix}"))
        {
            using SafeFileHandle? folder = TryLock(parent, name);
            if (folder is null)
            {
                continue;
            }

            foreach (string file in ListNames(folder, "*"))
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

    private static List<string> ListNames(SafeFileHandle folder, string pattern)
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
