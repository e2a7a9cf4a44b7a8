using System.IO.Enumeration;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Staging;

/// <summary>
/// A staged image: a private directory beside its target, or beside a folder above, which becomes the target in one rename or
/// not at all. Works on descriptors, so that a user who can write to a folder above cannot substitute another one.
/// </summary>
internal sealed class ImageStaging : IDisposable
{
    private readonly SafeFileHandle _parent;
    private readonly string _parentPath;
    private readonly string _targetName;
    private readonly StagingFolder _staging;
    private readonly bool _force;
    private SafeFileHandle? _replaced;
    private State _state = State.Staged;

    private enum State
    {
        Staged,
        Committed,

        /// <summary>Committed, and the replaced image has the staging name.</summary>
        Exchanged,
    }

    private ImageStaging(SafeFileHandle parent, string parentPath, StagingFolder staging, string targetName, bool force)
    {
        _parent = parent;
        _parentPath = parentPath;
        _staging = staging;
        _targetName = targetName;
        _force = force;
    }

    /// <summary>The directory that criu writes to, open.</summary>
    internal SafeFileHandle Handle => _staging.Handle;

    /// <summary>The present path of the directory.</summary>
    internal string CurrentPath => _state == State.Staged ? _staging.Path : TargetPath;

    internal string TargetPath => Path.Combine(_parentPath, _targetName);

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
        SafeFileHandle parent = OpenParent(parentPath, full);
        StagingFolder? staging = StagingFolder.TryCreate(parent, parentPath, preferred, out Errno errno);
        if (staging is not null)
        {
            return new ImageStaging(parent, parentPath, staging, name, force);
        }

        parent.Dispose();
        throw CannotWrite(full, errno);
    }

    /// <summary>The size of the memory pages written so far, in bytes.</summary>
    internal long WrittenBytes()
    {
        long sum = 0;

        // Through the descriptor, since the directory is renamed while this runs.
        var pages = new FileSystemEnumerable<long>($"/proc/self/fd/{Handle.DangerousGetHandle()}", static (ref FileSystemEntry entry) => entry.Length)
        {
            ShouldIncludePredicate = static (ref FileSystemEntry entry) => entry.FileName.StartsWith("pages-"),
        };
        foreach (long length in pages)
        {
            sum += length;
        }

        return sum;
    }

    /// <summary>Renames the staging directory to the target.</summary>
    /// <exception cref="CracException">The target was created in the meantime, or the rename failed.</exception>
    internal void Commit(bool sync)
    {
        Errno errno = LibC.Rename(_staging.Parent, _staging.Name, _parent, _targetName, LibC.RENAME_NOREPLACE);
        if (errno == 0)
        {
            _state = State.Committed;
        }
        else if (errno == Errno.EEXIST && _force)
        {
            RequireFree(TargetPath, _force);

            // The lock keeps other sessions from removing it as abandoned while a rollback is possible.
            _replaced = StagingFolder.TryLock(_parent, _targetName);
            errno = LibC.Rename(_staging.Parent, _staging.Name, _parent, _targetName, LibC.RENAME_EXCHANGE);
            _state = errno == 0 ? State.Exchanged : _state;
        }

        if (errno == Errno.EEXIST)
        {
            throw Exists(TargetPath, "a file or folder, created during the checkpoint,", "Give another path, or find out which program created it.");
        }

        RequireWritten(errno);
        if (sync)
        {
            RequireWritten(LibC.Sync(_parent));
        }
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
        return TryDeleteStaging() ? null : _staging.Path;
    }

    /// <summary>Undoes everything: the target is then as it was before. Fails silently, since it is called after another failure.</summary>
    internal void RollBack()
    {
        Errno errno = _state switch
        {
            State.Exchanged => LibC.Rename(_staging.Parent, _staging.Name, _parent, _targetName, LibC.RENAME_EXCHANGE),
            State.Committed => LibC.Rename(_parent, _targetName, _staging.Parent, _staging.Name, LibC.RENAME_NOREPLACE),
            _ => 0,
        };

        // After a failed rename nothing is removed: the replaced image has the staging name.
        if (errno == 0)
        {
            _state = State.Staged;
            TryDeleteStaging();
        }
    }

    private bool TryDeleteStaging()
    {
        try
        {
            Directory.Delete(_staging.Path, recursive: true);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

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

        // A dangling link counts too, and is not followed.
        FileSystemInfo entry = new FileInfo(target);
        if (!Path.Exists(target) && entry.LinkTarget is null)
        {
            return;
        }

        bool isDirectory = entry.LinkTarget is null && Directory.Exists(target);
        bool isImage = isDirectory && CracImage.IsImageDirectory(target);
        bool isReplaceable = isImage || (isDirectory && !Directory.EnumerateFileSystemEntries(target).Any());
        if (!isReplaceable)
        {
            string what = entry.LinkTarget is not null ? "a symbolic link" : isDirectory ? "a folder that is not an image" : "a file";
            throw Exists(target, what, force ? "-Force replaces only images. Give another path, or move it away." : "Give another path.");
        }

        if (!force)
        {
            throw Exists(target, isImage ? "an image" : "an empty folder", "Give another path, or replace it with -Force.");
        }
    }

    private static SafeFileHandle OpenParent(string path, string target)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (UnauthorizedAccessException)
        {
            throw CannotWrite(target, Errno.EACCES);
        }
        catch (IOException e)
        {
            throw new CracException(CracReason.SealFailed, $"The folder {path} could not be created: {e.Message}", "Give -ImagePath in a folder that you may write to.", e);
        }

        SafeFileHandle parent = LibC.Open(path, LibC.O_RDONLY | LibC.O_DIRECTORY, out Errno errno);
        if (errno != 0)
        {
            parent.Dispose();
            throw CannotWrite(target, errno);
        }

        return parent;
    }

    private static CracException Exists(string target, string what, string recommendedAction) =>
        new(CracReason.ImageExists, $"{char.ToUpperInvariant(what[0])}{what[1..]} already exists at {target}.", recommendedAction);

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
            $"The image was written but could not be put in place at {TargetPath}: {why.TrimEnd('.')}. The process continues.",
            full ? "Free some space, or give -ImagePath on another file system." : "Give -ImagePath in another folder.",
            inner);
    }
}
