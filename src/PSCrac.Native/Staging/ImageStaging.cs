using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Staging;

/// <summary>
/// A staged image: a private directory beside its target, or beside a folder above, which becomes the target in one rename or
/// not at all. Works on descriptors, so that a user who can write to a folder above cannot substitute another one.
/// </summary>
internal sealed class ImageStaging : IDisposable
{
    private const uint ParentMode = 0x1ED; // 0755
    private readonly FolderHandle _parent;
    private readonly string _targetName;
    private readonly StagingFolder _staging;
    private readonly bool _force;
    private FolderHandle? _replaced;
    private State _state = State.Staged;

    private enum State
    {
        Staged,
        Committed,

        /// <summary>Committed, and the replaced image has the staging name.</summary>
        Exchanged,
    }

    private ImageStaging(FolderHandle parent, StagingFolder staging, string targetName, bool force)
    {
        _parent = parent;
        _staging = staging;
        _targetName = targetName;
        _force = force;
    }

    /// <summary>The directory that criu writes to. The handle stays valid when the directory is renamed.</summary>
    internal FolderHandle Folder => _staging.Folder;

    /// <summary>Whether the process still runs when the image cannot be put in place, as it does where criu waits for that.</summary>
    internal bool HasProcess { get; set; } = true;

    internal string TargetPath => Path.Combine(_parent.Path, _targetName);

    /// <summary>Creates the staging directory, and missing folders above it.</summary>
    /// <param name="target">The path of the image.</param>
    /// <param name="force">Whether an image at that path is replaced.</param>
    /// <param name="watched">The folders that the tree watches, in which nothing is staged if possible; null for none.</param>
    /// <exception cref="CracException">The target exists, or cannot be written.</exception>
    internal static ImageStaging Create(string target, bool force, WatchedFolders? watched = null)
    {
        string full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target));
        string name = Path.GetFileName(full);
        string? parentPath = Path.GetDirectoryName(full);
        if (name.Length == 0 || parentPath is null)
        {
            throw new CracException(CracReason.NotAnImage, $"{target} cannot become an image.", "Give -ImagePath the path of a directory that does not exist yet.");
        }

        RequireFree(full, force);
        string? preferred = watched?.FindUnwatchedAbove(parentPath);
        FolderHandle parent = FolderHandle.Make(parentPath, ParentMode, out Errno errno) ?? throw CannotCreate(full, parentPath, errno);
        StagingFolder? staging = StagingFolder.TryCreate(parent, preferred, out errno);
        if (staging is not null)
        {
            return new ImageStaging(parent, staging, name, force);
        }

        parent.Dispose();
        throw CannotWrite(full, errno);
    }

    /// <summary>The size of the memory pages written so far, in bytes.</summary>
    internal long WrittenBytes()
    {
        long sum = 0;
        foreach (string name in Folder.ReadNames() ?? [])
        {
            if (ImageFileName.IsPages(name) && Folder.TryGetStatus(name, out FileStatus status, out _))
            {
                sum += status.SizeBytes;
            }
        }

        return sum;
    }

    /// <summary>Renames the staging directory to the target.</summary>
    /// <exception cref="CracException">The target was created in the meantime, or the rename failed.</exception>
    internal void Commit(bool sync)
    {
        Errno errno = Rename(LibC.RENAME_NOREPLACE);
        if (errno == 0)
        {
            _state = State.Committed;
        }
        else if (errno == Errno.EEXIST && _force)
        {
            errno = Exchange();
        }

        if (errno == Errno.EEXIST)
        {
            throw Exists(TargetPath, "a file or folder, created meanwhile,", "Give another path, or find out which program created it.");
        }

        RequireWritten(errno);
        if (sync)
        {
            RequireWritten(LibC.Sync(_parent.Handle));
        }
    }

    /// <summary>Refuses a target whose folder is no longer the one that was opened: the image would get its name elsewhere.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageNotTrusted"/>.</exception>
    internal void RequireSameParent()
    {
        using PathWalk walk = PathWalk.Along(_parent.Path);
        if (walk.Folder is null || !_parent.TryGetStatus(out FileStatus own) || !walk.Status.IsSameFile(own))
        {
            throw new CracException(
                CracReason.ImageNotTrusted,
                $"{_parent.Path}, where the image is to be put, was replaced during the checkpoint. The process goes on.",
                "Give -ImagePath in a folder that nobody else may replace.");
        }
    }

    /// <summary>Opens the image after the commit: at its target, or where it was moved to since.</summary>
    /// <exception cref="CracException">It cannot be read.</exception>
    internal CracImage OpenImage()
    {
        using FolderHandle? target = FolderHandle.TryOpen(TargetPath, out _);
        bool isInPlace = target is not null && target.TryGetStatus(out FileStatus there) && Folder.TryGetStatus(out FileStatus own) && there.IsSameFile(own);
        return CracImage.Open(isInPlace ? TargetPath : Folder.CurrentPath ?? TargetPath);
    }

    /// <summary>Removes the replaced image. After this the commit cannot be rolled back.</summary>
    /// <returns>The path of the replaced image where it could not be removed; null otherwise.</returns>
    internal string? Finish()
    {
        if (_state != State.Exchanged)
        {
            return null;
        }

        _state = State.Committed;
        return TryDelete(_replaced!) ? null : _staging.Path;
    }

    /// <summary>Undoes everything: the target is then as it was before. Fails silently, since it is called after another failure.</summary>
    internal void RollBack()
    {
        Errno errno = _state switch
        {
            State.Exchanged => Rename(LibC.RENAME_EXCHANGE),
            State.Committed => _parent.Rename(_targetName, _staging.Parent, _staging.Name, LibC.RENAME_NOREPLACE),
            _ => 0,
        };

        // After a failed rename nothing is removed: the replaced image has the staging name.
        if (errno == 0)
        {
            _state = State.Staged;
            TryDelete(Folder);
        }
    }

    private Errno Rename(uint flags) => _staging.Parent.Rename(_staging.Name, _parent, _targetName, flags);

    private Errno Exchange()
    {
        _replaced = OpenReplaceable(_parent, _targetName, TargetPath, force: true);
        if (_replaced is null || !_replaced.TryGetStatus(out FileStatus replaced))
        {
            return Errno.EEXIST;
        }

        // The lock keeps other sessions from removing it as abandoned while a rollback is possible.
        LibC.TryLock(_replaced.Handle);
        Errno errno = Rename(LibC.RENAME_EXCHANGE);
        if (errno != 0)
        {
            return errno;
        }

        if (!_staging.Parent.TryGetStatus(_staging.Name, out FileStatus moved, out _) || !moved.IsSameFile(replaced))
        {
            // Another file was put there after the check.
            Rename(LibC.RENAME_EXCHANGE);
            return Errno.EEXIST;
        }

        _state = State.Exchanged;
        return Errno.None;
    }

    // The folder is emptied through its descriptor; then the name is removed only if it is an empty folder.
    private bool TryDelete(FolderHandle folder) =>
        folder.DeleteContents(TrustedUsers.Read()) == 0 && _staging.Parent.DeleteFolder(_staging.Name) is Errno.None or Errno.ENOENT;

    public void Dispose()
    {
        _staging.Dispose();
        _replaced?.Dispose();
        _parent.Dispose();
    }

    /// <summary>Refuses a target that exists, except an image or an empty folder with <paramref name="force"/>.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageExists"/>; <see cref="CracReason.OptionRefused"/>: it has the name of a staging directory.</exception>
    internal static void RequireFree(string target, bool force)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(target));
        if (name.StartsWith(ImageName.StagingPrefix, StringComparison.Ordinal))
        {
            throw new CracException(
                CracReason.OptionRefused,
                $"{target} cannot become an image: names that start with {ImageName.StagingPrefix} are reserved for unfinished images, which PSCrac removes.",
                "Give another path.");
        }

        using FolderHandle? parent = FolderHandle.TryOpen(Path.GetDirectoryName(target)!, out _);
        if (parent is not null)
        {
            OpenReplaceable(parent, name, target, force)?.Dispose();
        }
    }

    // Opens what is to be replaced; null if there is nothing. A symbolic link, even a dangling one, is not followed.
    private static FolderHandle? OpenReplaceable(FolderHandle parent, string name, string target, bool force)
    {
        if (!parent.TryGetStatus(name, out FileStatus status, out _))
        {
            return null;
        }

        FolderHandle? folder = parent.TryOpenFolder(name, out _);
        bool isImage = folder is not null && CracImage.IsImageDirectory(folder);
        bool isReplaceable = isImage || folder?.ReadNames() is { Count: 0 };
        if (isReplaceable && force)
        {
            return folder;
        }

        folder?.Dispose();
        if (!isReplaceable)
        {
            string what = status.Type switch
            {
                FileType.SymbolicLink => "a symbolic link",
                FileType.Directory => "a folder that is not an image",
                _ => "a file",
            };
            throw Exists(target, what, force ? "-Force replaces only images. Give another path, or move it away." : "Give another path.");
        }

        throw Exists(target, isImage ? "an image" : "an empty folder", "Give another path, or replace it with -Force.");
    }

    private static CracException Exists(string target, string what, string recommendedAction) =>
        new(CracReason.ImageExists, $"{char.ToUpperInvariant(what[0])}{what[1..]} already exists at {target}.", recommendedAction);

    private static CracException CannotCreate(string target, string folder, Errno errno) => errno is Errno.EEXIST or Errno.ENOTDIR
        ? new(CracReason.SealFailed, $"The folder {folder} could not be created: {LibC.Message(errno)}.", "Give -ImagePath in a folder that you may write to.")
        : CannotWrite(target, errno);

    private static CracException CannotWrite(string target, Errno errno) => new(
        errno is Errno.EACCES or Errno.EPERM or Errno.EROFS ? CracReason.PermissionDenied : errno == Errno.ENOSPC ? CracReason.NoSpace : CracReason.SealFailed,
        $"The image {target} cannot be written: {LibC.Message(errno)}.",
        "Give -ImagePath in a folder that you may write to and that has room.");

    /// <summary>Throws where a write failed.</summary>
    /// <exception cref="CracException"><see cref="CracReason.NoSpace"/>, <see cref="CracReason.SealFailed"/>.</exception>
    internal void RequireWritten(Errno errno)
    {
        if (errno != 0)
        {
            throw errno is Errno.ENOSPC or Errno.EDQUOT ? CannotWrite(TargetPath, errno) : SealFailed(LibC.Message(errno), null);
        }
    }

    /// <summary>The exception for a failure to write or to rename the image.</summary>
    internal CracException SealFailed(string why, Exception? inner)
    {
        // HResult of a .NET IOException on Unix is the errno.
        bool full = (Errno?)inner?.HResult is Errno.ENOSPC or Errno.EDQUOT || why.Contains("No space left", StringComparison.OrdinalIgnoreCase);
        return new CracException(
            full ? CracReason.NoSpace : CracReason.SealFailed,
            $"The image was written but could not be put in place at {TargetPath}: {why.TrimEnd('.')}.{(HasProcess ? " The process continues." : string.Empty)}",
            full ? "Free some space, or give -ImagePath on another file system." : "Give -ImagePath in another folder.",
            inner);
    }
}
