using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Archives;

/// <summary>
/// The file that an archive or a core is written to: a private one beside its target, which gets the target's name in one rename or is deleted. It
/// is locked (flock(2)) as long as the process that created it lives; an unlocked one was left by a session that was killed, and the
/// next export to the folder deletes it.
/// </summary>
internal sealed class PrivateOutput : IDisposable
{
    private const uint PrivateFile = 0x180; // 0600
    private const string Suffix = ".partial";
    private readonly FolderHandle _folder;
    private readonly string _targetName;
    private readonly string _temporaryName;
    private readonly bool _force;
    private readonly string _what;
    private bool _isCommitted;

    private PrivateOutput(FolderHandle folder, string targetName, string temporaryName, SafeFileHandle file, bool force, string what)
    {
        _what = what;
        _folder = folder;
        _targetName = targetName;
        _temporaryName = temporaryName;
        File = file;
        _force = force;
    }

    /// <summary>The file, open for writing.</summary>
    internal SafeFileHandle File { get; }

    /// <summary>The path of the target.</summary>
    internal string Path => System.IO.Path.Combine(_folder.Path, _targetName);

    /// <summary>Creates the file.</summary>
    /// <param name="path">The full path of the target.</param>
    /// <param name="force">Whether a file at that path is replaced.</param>
    /// <param name="what">What is written to it, for messages.</param>
    /// <exception cref="CracException">The target exists, or its folder does not or cannot be written to.</exception>
    internal static PrivateOutput Create(string path, bool force, string what = "archive")
    {
        string parent = System.IO.Path.GetDirectoryName(path) ?? throw IsFolder(path);
        FolderHandle folder = FolderHandle.TryOpen(parent, out Errno errno) ?? throw CannotWrite(what, path, parent, errno);
        try
        {
            string name = System.IO.Path.GetFileName(path);
            RequireFree(folder, name, path, force);
            DeleteAbandoned(folder);
            SafeFileHandle file = CreateLocked(folder, out string temporary, out errno);
            return errno == 0 ? new PrivateOutput(folder, name, temporary, file, force, what) : throw CannotWrite(what, path, parent, errno);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Refuses a target that exists, except a file with <paramref name="force"/>.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageExists"/>.</exception>
    internal static void RequireFree(string path, bool force)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(System.IO.Path.GetDirectoryName(path) ?? "/", out _);
        if (folder is not null)
        {
            RequireFree(folder, System.IO.Path.GetFileName(path), path, force);
        }
    }

    /// <summary>Gives the file the target's name.</summary>
    /// <param name="sync">Whether it is synced to the disk first. What can be made again at any time need not be.</param>
    /// <exception cref="CracException">The target was created in the meantime, or the file could not be written.</exception>
    internal void Commit(bool sync = true)
    {
        // Whatever the umask is.
        RequireWritten(_folder.ChangeMode(_temporaryName, PrivateFile));
        RequireWritten(sync ? LibC.Sync(File) : Errno.None);
        Errno errno = _folder.Rename(_temporaryName, _folder, _targetName, LibC.RENAME_NOREPLACE);
        if (errno == Errno.EEXIST && _force)
        {
            // Not a folder: rename(2) refuses it. A symbolic link would be replaced itself.
            RequireFree(_folder, _targetName, Path, _force);
            errno = _folder.Rename(_temporaryName, _folder, _targetName);
        }

        if (errno == Errno.EEXIST)
        {
            RequireFree(_folder, _targetName, Path, force: false);
        }

        RequireWritten(errno);
        _isCommitted = true;
        RequireWritten(sync ? LibC.Sync(_folder.Handle) : Errno.None);
    }

    /// <summary>The exception for a write that failed.</summary>
    internal CracException WriteFailed(IOException failure) =>
        CannotWrite(_what, Path, _folder.Path, (Errno)failure.HResult is Errno.ENOSPC or Errno.EDQUOT ? Errno.ENOSPC : Errno.None, failure);

    /// <summary>Closes the file, and deletes it unless it was committed.</summary>
    public void Dispose()
    {
        if (!_isCommitted)
        {
            _folder.Delete(_temporaryName);
        }

        File.Dispose();
        _folder.Dispose();
    }

    private static SafeFileHandle CreateLocked(FolderHandle folder, out string name, out Errno errno)
    {
        for (int attemptsLeft = 5; ; attemptsLeft--)
        {
            name = $"{ImageName.StagingPrefix}{Guid.NewGuid():N}{Suffix}";
            SafeFileHandle file = folder.Create(name, out errno, PrivateFile);

            // Before it was locked, another session may have deleted it as abandoned.
            if (errno != 0 || attemptsLeft == 0 || (LibC.TryLock(file) != Errno.EAGAIN && folder.Contains(name)))
            {
                return file;
            }

            file.Dispose();
        }
    }

    private void RequireWritten(Errno errno)
    {
        if (errno != 0)
        {
            throw CannotWrite(_what, Path, _folder.Path, errno);
        }
    }

    private static void RequireFree(FolderHandle folder, string name, string path, bool force)
    {
        if (!folder.TryGetStatus(name, out FileStatus status, out _))
        {
            return;
        }

        if (status.Type == FileType.Directory)
        {
            throw IsFolder(path);
        }

        bool isFile = status.Type == FileType.Regular;
        if (!isFile || !force)
        {
            throw new CracException(
                CracReason.ImageExists,
                isFile ? $"The file {path} already exists." : $"{path} already exists, and is not a regular file.",
                isFile ? "Give another -DestinationPath, or replace it with -Force." : "Give another -DestinationPath.");
        }
    }

    // Those of other users, and what only has such a name, are kept.
    private static void DeleteAbandoned(FolderHandle folder)
    {
        int[] users = TrustedUsers.Read();
        foreach (string name in folder.ReadNames() ?? [])
        {
            if (!name.StartsWith(ImageName.StagingPrefix, StringComparison.Ordinal) || !name.EndsWith(Suffix, StringComparison.Ordinal))
            {
                continue;
            }

            using SafeFileHandle file = folder.OpenToRead(name, out Errno errno);
            if (errno == 0 && LibC.TryLock(file) == 0 && FileStatus.TryReadAt(file, "", LibC.AT_EMPTY_PATH, out FileStatus status, out _) && users.Contains((int)status.UserId))
            {
                folder.Delete(name);
            }
        }
    }

    private static CracException IsFolder(string path) => new(
        CracReason.ImageExists, $"{path} is a folder.", "Give -DestinationPath the path of a file; in an existing folder, the file gets the image's name.");

    private static CracException CannotWrite(string what, string path, string folder, Errno errno, Exception? cause = null) => errno switch
    {
        Errno.ENOENT or Errno.ENOTDIR => new(
            CracReason.FileMissing, $"There is no folder {folder} to write the {what} to.", $"Make it first: New-Item -ItemType Directory -Path '{folder}'.", cause),
        Errno.EACCES or Errno.EPERM or Errno.EROFS => new(
            CracReason.PermissionDenied, $"The {what} {path} cannot be written: {LibC.Message(errno)}.", "Give -DestinationPath in a folder that you may write to.", cause),
        Errno.ENOSPC or Errno.EDQUOT => new(
            CracReason.NoSpace, $"No space is left for the {what} {path}.", "Free some space, or give -DestinationPath on another file system.", cause),
        _ => new(
            CracReason.SealFailed, $"The {what} {path} could not be written: {cause?.Message ?? LibC.Message(errno)}.", "Give -DestinationPath in another folder.", cause),
    };
}
