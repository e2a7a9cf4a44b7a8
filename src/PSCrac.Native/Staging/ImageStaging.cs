using System.IO.Enumeration;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Staging;

/// <summary>
/// An image in the making: a private sibling of its target, or of a folder above, which becomes the target in one rename
/// or not at all.
/// Works on descriptors, so that nobody who can write to a folder above can slip something else in between.
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

        /// <summary>Committed, and the image that was there before stands under the staging name.</summary>
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

    /// <summary>The directory, for criu to write to.</summary>
    internal SafeFileHandle Handle => _staging.Handle;

    /// <summary>Where the directory is now.</summary>
    internal string CurrentPath => _state == State.Staged ? _staging.Path : TargetPath;

    internal string TargetPath => Path.Combine(_parentPath, _targetName);

    /// <summary>Makes the staging directory, and the folders above it where they are missing.</summary>
    /// <param name="target">The directory that the image is to become.</param>
    /// <param name="force">Whether an image that stands there is replaced.</param>
    /// <param name="watched">What the tree watches; null for nothing.</param>
    /// <exception cref="CracException">The target is taken, or cannot be written to.</exception>
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
        string? elsewhere = watched?.FindUnwatchedAbove(parentPath);
        SafeFileHandle parent = OpenParent(parentPath, full);
        StagingFolder? staging = StagingFolder.TryMake(parent, parentPath, elsewhere, out Errno errno);
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

        // Through the descriptor, since the directory gets its name while this runs.
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

    /// <summary>Gives the image its name.</summary>
    /// <exception cref="CracException">Something appeared there meanwhile, or the rename failed.</exception>
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

            // Until this is past a roll-back, it must not be taken for something abandoned.
            _replaced = StagingFolder.Hold(_parent, _targetName);
            errno = LibC.Rename(_staging.Parent, _staging.Name, _parent, _targetName, LibC.RENAME_EXCHANGE);
            _state = errno == 0 ? State.Exchanged : _state;
        }

        if (errno == Errno.EEXIST)
        {
            throw Exists(TargetPath, "something, made while the checkpoint was under way,", "Give another path, or look at what made it.");
        }

        RequireWritten(errno);
        if (sync)
        {
            RequireWritten(LibC.Sync(_parent));
        }
    }

    /// <summary>Removes the image that was replaced. After this the commit can no longer be taken back.</summary>
    /// <returns>Where the replaced image still is, when it could not be removed; null otherwise.</returns>
    internal string? Finish()
    {
        if (_state != State.Exchanged)
        {
            return null;
        }

        _state = State.Committed;
        return TryDeleteStaging() ? null : _staging.Path;
    }

    /// <summary>Takes back whatever was done: the target is then as it was before. Fails silently: it is called where something failed already.</summary>
    internal void RollBack()
    {
        Errno errno = _state switch
        {
            State.Exchanged => LibC.Rename(_staging.Parent, _staging.Name, _parent, _targetName, LibC.RENAME_EXCHANGE),
            State.Committed => LibC.Rename(_parent, _targetName, _staging.Parent, _staging.Name, LibC.RENAME_NOREPLACE),
            _ => 0,
        };

        // What could not be moved back must not be removed: under the staging name there is then the image of before.
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

    /// <summary>Refuses a target where something is, unless that is an image, or an empty folder, to be replaced by force.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageExists"/>; <see cref="CracReason.OptionRefused"/>: its name is one of those that are swept.</exception>
    internal static void RequireFree(string target, bool force)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(target));
        if (name.StartsWith(ImageName.StagingPrefix, StringComparison.Ordinal))
        {
            throw new CracException(
                CracReason.OptionRefused,
                $"{target} cannot become an image: PSCrac calls unfinished ones {ImageName.StagingPrefix}… and takes them away.",
                "Give another path.");
        }

        // A dangling link is in the way too, and is not followed.
        FileSystemInfo there = new FileInfo(target);
        if (!Path.Exists(target) && there.LinkTarget is null)
        {
            return;
        }

        bool isDirectory = there.LinkTarget is null && Directory.Exists(target);
        bool isImage = isDirectory && CracImage.IsImageDirectory(target);
        bool isReplaceable = isImage || (isDirectory && !Directory.EnumerateFileSystemEntries(target).Any());
        if (!isReplaceable)
        {
            string what = there.LinkTarget is not null ? "a symbolic link" : isDirectory ? "a folder that is no image" : "a file";
            throw Exists(target, what, force ? "-Force replaces images only. Give another path, or move away what is there." : "Give another path.");
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
            throw new CracException(CracReason.SealFailed, $"The folder {path} could not be made: {e.Message}", "Give -ImagePath in a folder that you may write to.", e);
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
        new(CracReason.ImageExists, $"There is {what} at {target} already.", recommendedAction);

    private static CracException CannotWrite(string target, Errno errno) => new(
        errno is Errno.EACCES or Errno.EPERM or Errno.EROFS ? CracReason.PermissionDenied : errno == Errno.ENOSPC ? CracReason.NoSpace : CracReason.SealFailed,
        $"The image {target} cannot be written: {LibC.Message(errno)}.",
        "Give -ImagePath in a folder that you may write to and that has room.");

    /// <summary>Fails where the kernel refused to write.</summary>
    /// <exception cref="CracException"><see cref="CracReason.NoSpace"/>, <see cref="CracReason.SealFailed"/>.</exception>
    internal void RequireWritten(Errno errno)
    {
        if (errno != 0)
        {
            throw errno is Errno.ENOSPC or Errno.EDQUOT ? CannotWrite(TargetPath, errno) : SealFailed(LibC.Message(errno), null);
        }
    }

    /// <summary>What a failure to write becomes: the image is not put in place.</summary>
    internal CracException SealFailed(string why, Exception? inner)
    {
        // HResult of a .NET IOException on Unix is the errno.
        bool full = (Errno?)inner?.HResult is Errno.ENOSPC or Errno.EDQUOT || why.Contains("No space left", StringComparison.OrdinalIgnoreCase);
        return new CracException(
            full ? CracReason.NoSpace : CracReason.SealFailed,
            $"The image was written but could not be put in place at {TargetPath}: {why.TrimEnd('.')}. The process goes on.",
            full ? "Free some space, or give -ImagePath on another file system." : "Give -ImagePath in another folder.",
            inner);
    }
}
