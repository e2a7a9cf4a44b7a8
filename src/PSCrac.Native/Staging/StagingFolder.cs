using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
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

    private StagingFolder(FolderHandle parent, string name, FolderHandle folder)
    {
        Parent = parent;
        Name = name;
        Folder = folder;
    }

    /// <summary>The folder, locked until this is closed.</summary>
    internal FolderHandle Folder { get; }

    /// <summary>The folder above.</summary>
    internal FolderHandle Parent { get; }

    /// <summary>Its name in <see cref="Parent"/>.</summary>
    internal string Name { get; }

    /// <summary>Its path.</summary>
    internal string Path => Folder.Path;

    /// <summary>Creates one, and removes abandoned ones beside it.</summary>
    /// <param name="target">The folder above the image.</param>
    /// <param name="preferred">A folder above <paramref name="target"/>, to use instead if it is writable; null for none.</param>
    /// <param name="errno">Why it could not be created; 0 on success.</param>
    /// <returns>The folder; null on failure.</returns>
    internal static StagingFolder? TryCreate(FolderHandle target, string? preferred, out Errno errno)
    {
        int[] users = TrustedUsers.Read();
        RemoveAbandoned(target, users);
        if (preferred is not null && FolderHandle.TryOpen(preferred, out errno) is { } folder)
        {
            RemoveAbandoned(folder, users);
            if (TryCreateIn(folder, out errno) is { } above)
            {
                return above;
            }

            folder.Dispose();
        }

        FolderHandle? parent = target.TryReopen(out errno);
        StagingFolder? created = parent is null ? null : TryCreateIn(parent, out errno);
        if (created is null)
        {
            parent?.Dispose();
        }

        return created;
    }

    /// <summary>Releases the lock; another session may then remove the folder, if it still has its name.</summary>
    public void Dispose()
    {
        Folder.Dispose();
        Parent.Dispose();
    }

    private static StagingFolder? TryCreateIn(FolderHandle parent, out Errno errno)
    {
        int attemptsLeft = MaximumAttempts;
        do
        {
            string name = NewName();
            errno = parent.MakeFolder(name, Private);
            FolderHandle? folder = errno == 0 ? parent.TryOpenFolder(name, out errno) : null;

            // Before it was locked, another session may have removed it as abandoned.
            errno = folder is not null && LibC.TryLock(folder.Handle) == Errno.EAGAIN ? Errno.EAGAIN : errno;
            if (errno == 0)
            {
                parent.TryOpenFolder(name, out errno)?.Dispose();
            }

            if (errno == 0)
            {
                return new StagingFolder(parent, name, folder!);
            }

            folder?.Dispose();
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
    internal static FolderHandle? TryLock(FolderHandle parent, string name)
    {
        FolderHandle? folder = parent.TryOpenFolder(name, out _);
        if (folder is not null && LibC.TryLock(folder.Handle) == 0)
        {
            return folder;
        }

        folder?.Dispose();
        return null;
    }

    /// <summary>Removes an image that is not needed any more. It loses its name first, so that what an interrupted removal leaves is removed with the next one.</summary>
    /// <param name="path">The image's path; it has no helper files outside of its folder.</param>
    internal static Errno RemoveImage(string path)
    {
        using FolderHandle? parent = FolderHandle.TryOpen(System.IO.Path.GetDirectoryName(path)!, out Errno errno);
        errno = parent?.Rename(System.IO.Path.GetFileName(path), parent, NewName()) ?? errno;
        if (errno == 0)
        {
            RemoveAbandoned(parent!, TrustedUsers.Read());
        }

        return errno;
    }

    /// <summary>
    /// Removes unlocked staging folders with the image files in them, if they belong to one of the given users. Works on one level, so
    /// that it removes nothing else.
    /// </summary>
    internal static void RemoveAbandoned(FolderHandle parent, ReadOnlySpan<int> users)
    {
        foreach (string name in parent.ReadNames() ?? [])
        {
            if (!name.StartsWith(Prefix, StringComparison.Ordinal) || !name.EndsWith(Suffix, StringComparison.Ordinal))
            {
                continue;
            }

            using FolderHandle? folder = TryLock(parent, name);
            if (folder is null || !folder.BelongsTo(users))
            {
                continue;
            }

            foreach (string file in folder.ReadNames() ?? [])
            {
                if (ImageRemoval.IsOfImage(file))
                {
                    folder.Delete(file);
                }
            }

            parent.DeleteFolder(name);
        }
    }
}
