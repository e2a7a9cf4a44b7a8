using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Images.Storage;

/// <summary>
/// An open folder, through which all access to its content goes. A user who may write to a parent folder can replace this one by a link at any
/// time; a path would then lead elsewhere, a descriptor does not. Therefore, below an image, staging, work or log folder, everything
/// is opened, linked, renamed, changed, listed and deleted here: no symbolic link is followed, and no parent folder can be reached.
/// </summary>
internal sealed class FolderHandle : IDisposable
{
    // This engine creates folders up to three levels deep. Each level of a deletion uses a descriptor.
    private const int MaximumDepth = 32;
    private const int CopyBuffer = 1 << 18;
    private static volatile bool s_lacksOpenat2;
    private readonly bool _isStepwise;

    private FolderHandle(SafeFileHandle handle, string path, bool isStepwise)
    {
        Handle = handle;
        Path = path;
        _isStepwise = isStepwise;
    }

    /// <summary>The descriptor, for criu; it belongs to this object.</summary>
    internal SafeFileHandle Handle { get; }

    /// <summary>The path of the folder when it was opened, for messages.</summary>
    internal string Path { get; }

    /// <summary>A path that leads to the folder through the descriptor, for other processes of the same pid namespace, while this object is open.</summary>
    internal string DescriptorPath => string.Create(null, $"/proc/{Environment.ProcessId}/fd/{Handle.DangerousGetHandle()}");

    /// <summary>The path of the folder now, wherever it was moved; null if it is not known.</summary>
    internal string? CurrentPath => PathWalk.ReadLink(LibC.WorkingDirectory, DescriptorPath);

    /// <summary>Opens a folder by its path; symbolic links in the path are followed; null on failure.</summary>
    /// <param name="path">The path.</param>
    /// <param name="errno">The errno of the failure; 0 on success.</param>
    /// <param name="isStepwise">Whether to open paths step by step instead of with openat2(2), as on kernels before 5.6.</param>
    internal static FolderHandle? TryOpen(string path, out Errno errno, bool isStepwise = false) =>
        Adopt(LibC.Open(path, LibC.O_RDONLY | LibC.O_DIRECTORY, out errno), path, errno, isStepwise);

    /// <summary>Opens a folder by its path and creates the missing folders of the path; null on failure.</summary>
    /// <param name="path">A full path.</param>
    /// <param name="mode">The mode of the folder if it is created. The umask may remove bits from it.</param>
    /// <param name="errno">The errno of the failure; 0 on success.</param>
    /// <remarks>Missing parent folders get mode 0755, so that nobody else may write to them even with umask 000.</remarks>
    internal static FolderHandle? Make(string path, uint mode, out Errno errno)
    {
        const uint ParentMode = 0x1ED; // 0755
        FolderHandle? folder = TryOpen(path, out errno);
        if (folder is not null || errno != Errno.ENOENT || System.IO.Path.GetDirectoryName(path) is not { } above)
        {
            return folder;
        }

        using FolderHandle? parent = Make(above, ParentMode, out errno);
        if (parent is null)
        {
            return null;
        }

        string name = System.IO.Path.GetFileName(path);
        errno = parent.MakeFolder(name, mode);
        return errno is Errno.None or Errno.EEXIST ? parent.TryOpenFolder(name, out errno) : null;
    }

    /// <summary>
    /// Opens a folder that will be changed. It must belong to one of the given users, and so must each symbolic link in the path,
    /// because the owner of a link decides where it leads.
    /// </summary>
    /// <param name="path">A full path.</param>
    /// <param name="users">The users.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ImageNotTrusted"/>: it belongs to someone else; <see cref="CracReason.NotAnImage"/>: it is not a folder;
    /// <see cref="CracReason.PermissionDenied"/>: it may not be opened.
    /// </exception>
    internal static FolderHandle OpenOwned(string path, ReadOnlySpan<int> users)
    {
        using PathWalk walk = PathWalk.Along(path);
        return OpenOwned(walk, path, users);
    }

    /// <summary>Opens the folder at the end of a walk, with the same checks.</summary>
    internal static FolderHandle OpenOwned(PathWalk walk, string path, ReadOnlySpan<int> users)
    {
        if (walk.FindForeignLink(users) is var (link, owner))
        {
            throw ImageFault.ForeignLink(path, link, owner);
        }

        if (walk.Folder is null)
        {
            throw ImageFault.Unreachable(path, walk.Reached, walk.End);
        }

        if (!users.Contains((int)walk.Status.UserId))
        {
            throw ImageFault.Foreign(path, walk.Status.UserId);
        }

        return TryOpen(walk, out Errno errno) ?? throw ImageFault.Unreachable(path, walk.Reached, errno == Errno.EACCES ? PathEnd.Denied : PathEnd.Missing);
    }

    /// <summary>Opens the folder at the end of a walk; null if there is none.</summary>
    internal static FolderHandle? TryOpen(PathWalk walk, out Errno errno)
    {
        errno = walk.End switch
        {
            PathEnd.Folder => Errno.None,
            PathEnd.Denied => Errno.EACCES,
            PathEnd.NotAFolder => Errno.ENOTDIR,
            PathEnd.TooManyLinks => Errno.ELOOP,
            _ => Errno.ENOENT,
        };
        return errno != 0 ? null : Adopt(LibC.OpenAt(walk.Folder!, ".", LibC.O_RDONLY | LibC.O_DIRECTORY, out errno), walk.Reached, errno, isStepwise: false);
    }

    /// <inheritdoc/>
    public void Dispose() => Handle.Dispose();

    /// <summary>Opens the folder again, with a separate descriptor; null on failure.</summary>
    internal FolderHandle? TryReopen(out Errno errno) => Adopt(LibC.OpenAt(Handle, ".", LibC.O_RDONLY | LibC.O_DIRECTORY, out errno), Path, errno, _isStepwise);

    /// <summary>The same for any descriptor of a folder.</summary>
    internal static FolderHandle? TryReopen(SafeHandle folder, string path, out Errno errno) =>
        Adopt(LibC.OpenAt(folder, ".", LibC.O_RDONLY | LibC.O_DIRECTORY, out errno), path, errno, isStepwise: false);

    /// <summary>The status of the folder itself.</summary>
    internal bool TryGetStatus(out FileStatus status) => FileStatus.TryReadAt(Handle, "", LibC.AT_EMPTY_PATH, out status, out _);

    /// <summary>The status of an entry; for a symbolic link, that of the link itself.</summary>
    internal bool TryGetStatus(string name, out FileStatus status, out Errno errno)
    {
        status = default;
        errno = Check(name);
        return errno == 0 && FileStatus.TryReadAt(Handle, name, LibC.AT_SYMLINK_NOFOLLOW, out status, out errno);
    }

    /// <summary>Whether there is an entry with this name.</summary>
    internal bool Contains(string name) => TryGetStatus(name, out _, out _);

    /// <summary>Whether there is a regular file with this name.</summary>
    internal bool ContainsFile(string name) => TryGetStatus(name, out FileStatus status, out _) && status.Type == FileType.Regular;

    /// <summary>The names of the entries, or the first of them, in the file system's order; null if the folder cannot be read.</summary>
    internal List<string>? ReadNames(int maximum = int.MaxValue)
    {
        // The read position belongs to the descriptor, and several threads may read at the same time.
        using FolderHandle? own = TryReopen(out _);
        return own is null ? null : ProcessDirectory.ReadNames(own.Handle, maximum);
    }

    /// <summary>Opens a file; the handle is invalid on failure: <see cref="Errno.ELOOP"/> for a symbolic link.</summary>
    /// <param name="path">A name or relative path without "..".</param>
    /// <param name="flags">Flags of open(2).</param>
    /// <param name="errno">The errno of the failure; 0 on success.</param>
    /// <param name="mode">The mode of a file that is created.</param>
    internal SafeFileHandle Open(string path, int flags, out Errno errno, uint mode = 0)
    {
        if (path.Length == 0 || path[0] == '/' || path.Contains('\0', StringComparison.Ordinal) || path.Split('/').Contains(".."))
        {
            errno = Errno.EXDEV;
            return new SafeFileHandle(-1, ownsHandle: true);
        }

        if (!_isStepwise && !s_lacksOpenat2)
        {
            SafeFileHandle opened = LibC.OpenBeneath(Handle, path, flags, out errno, mode);

            // Seccomp filters of container engines that do not know the call return EPERM, others ENOSYS as kernels before 5.6.
            if (errno is not (Errno.ENOSYS or Errno.EPERM))
            {
                return opened;
            }

            opened.Dispose();
            s_lacksOpenat2 |= errno == Errno.ENOSYS;
        }

        return OpenStepwise(path, flags, out errno, mode);
    }

    /// <summary>Opens a regular file for reading; the handle is invalid on failure, with <see cref="Errno.EINVAL"/> for another type of file.</summary>
    internal SafeFileHandle OpenToRead(string path, out Errno errno)
    {
        // Opening a FIFO would wait for a writer.
        SafeFileHandle file = Open(path, LibC.O_RDONLY | LibC.O_NONBLOCK | LibC.O_NOCTTY, out errno);
        if (errno == 0 && FileStatus.TryReadAt(file, "", LibC.AT_EMPTY_PATH, out FileStatus status, out errno) && status.Type != FileType.Regular)
        {
            errno = Errno.EINVAL;
        }

        if (errno == 0)
        {
            return file;
        }

        file.Dispose();
        return new SafeFileHandle(-1, ownsHandle: true);
    }

    /// <summary>Creates a new file and opens it for writing; the handle is invalid on failure.</summary>
    internal SafeFileHandle Create(string name, out Errno errno, uint mode) =>
        Open(name, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_EXCL, out errno, mode);

    /// <summary>Opens a subfolder; null on failure: <see cref="Errno.ELOOP"/> or <see cref="Errno.ENOTDIR"/> for a symbolic link.</summary>
    internal FolderHandle? TryOpenFolder(string path, out Errno errno) =>
        Adopt(Open(path, LibC.O_RDONLY | LibC.O_DIRECTORY, out errno), System.IO.Path.Combine(Path, path), errno, _isStepwise);

    /// <summary>Creates a subfolder. The umask removes rights of others, but none of the owner.</summary>
    internal Errno MakeFolder(string name, uint mode)
    {
        const uint OfOwner = 0x1C0; // 0700
        Errno errno = Check(name);
        errno = errno != 0 ? errno : LibC.MakeDirectory(Handle, name, mode);
        if (errno == 0 && TryGetStatus(name, out FileStatus status, out errno) && ((uint)status.Mode & OfOwner) != (mode & OfOwner)
            && status.Type == FileType.Directory && status.UserId == LibC.GetEffectiveUserId())
        {
            errno = ChangeMode(name, ((uint)status.Mode & ~OfOwner & 0xFFF) | (mode & OfOwner));
        }

        return errno;
    }

    /// <summary>The target of a symbolic link; null for other entries.</summary>
    internal string? ReadLink(string name) => Check(name) != 0 ? null : PathWalk.ReadLink(Handle, name);

    /// <summary>Creates a symbolic link.</summary>
    internal Errno MakeLink(string name, string target) => Check(name) is var errno and not 0 ? errno : LibC.MakeLink(Handle, name, target);

    /// <summary>Creates a hard link to a file in another folder.</summary>
    internal Errno Link(string name, FolderHandle folder, string newName) =>
        Check(name, newName) is var errno and not 0 ? errno : LibC.Link(Handle, name, folder.Handle, newName);

    /// <summary>Renames an entry (renameat2(2)).</summary>
    internal Errno Rename(string name, FolderHandle folder, string newName, uint flags = 0) =>
        Check(name, newName) is var errno and not 0 ? errno : LibC.Rename(Handle, name, folder.Handle, newName, flags);

    /// <summary>Changes the mode of an entry. A symbolic link has none.</summary>
    internal Errno ChangeMode(string name, uint mode) => Check(name) is var errno and not 0 ? errno : LibC.ChangeMode(Handle, name, mode);

    /// <summary>Moves a file to another folder, where the name must not exist. Between file systems the file is copied.</summary>
    /// <param name="name">The name of the file.</param>
    /// <param name="folder">The other folder.</param>
    /// <param name="newName">The name in the other folder.</param>
    /// <param name="mode">The mode of a copy.</param>
    internal Errno Move(string name, FolderHandle folder, string newName, uint mode)
    {
        Errno errno = Rename(name, folder, newName, LibC.RENAME_NOREPLACE);
        if (errno == Errno.EXDEV)
        {
            errno = Copy(name, folder, newName, mode);
            return errno != 0 ? errno : Delete(name);
        }

        return errno;
    }

    /// <summary>Copies a regular file to another folder, where the name must not exist. After a failure no part of the copy is left.</summary>
    internal Errno Copy(string name, FolderHandle folder, string newName, uint mode)
    {
        using SafeFileHandle from = OpenToRead(name, out Errno errno);
        using SafeFileHandle to = errno == 0 ? folder.Create(newName, out errno, mode) : new SafeFileHandle(-1, ownsHandle: true);
        if (errno != 0)
        {
            return errno;
        }

        try
        {
            byte[] buffer = new byte[CopyBuffer];
            long position = 0;
            for (int read; (read = RandomAccess.Read(from, buffer, position)) > 0; position += read)
            {
                RandomAccess.Write(to, buffer.AsSpan(0, read), position);
            }

            return Errno.None;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            folder.Delete(newName);

            // HResult of a .NET IOException on Unix is the errno.
            return e is UnauthorizedAccessException ? Errno.EACCES : (Errno)e.HResult;
        }
    }

    /// <summary>Deletes a file or symbolic link; <see cref="Errno.EISDIR"/> for a folder.</summary>
    internal Errno Delete(string name) => Check(name) is var errno and not 0 ? errno : LibC.Unlink(Handle, name, 0);

    /// <summary>Deletes an empty subfolder.</summary>
    internal Errno DeleteFolder(string name) => Check(name) is var errno and not 0 ? errno : LibC.Unlink(Handle, name, LibC.AT_REMOVEDIR);

    /// <summary>
    /// Deletes a subfolder with its content. A folder of another user or on another file system is kept, and so are its
    /// parent folders.
    /// </summary>
    /// <param name="name">The name of the subfolder.</param>
    /// <param name="users">The allowed owners of the folder and each folder in it; <see cref="Errno.EPERM"/> for another owner.</param>
    internal Errno DeleteTree(string name, ReadOnlySpan<int> users) => Check(name) is var errno and not 0 ? errno : DeleteTree(name, users, MaximumDepth);

    /// <summary>Deletes the content; the folder itself must also belong to one of the users.</summary>
    internal Errno DeleteContents(ReadOnlySpan<int> users) => DeleteContents(users, MaximumDepth);

    /// <summary>Whether the folder belongs to one of the given users.</summary>
    internal bool BelongsTo(ReadOnlySpan<int> users) => TryGetStatus(out FileStatus status) && users.Contains((int)status.UserId);

    private static FolderHandle? Adopt(SafeFileHandle handle, string path, Errno errno, bool isStepwise)
    {
        if (errno == 0)
        {
            return new FolderHandle(handle, path, isStepwise);
        }

        handle.Dispose();
        return null;
    }

    private static Errno Check(string name, string other = "name") => IsName(name) && IsName(other) ? Errno.None : Errno.EINVAL;

    private static bool IsName(string name) => name is not ("" or "." or "..") && name.AsSpan().IndexOfAny('/', '\0') < 0;

    private SafeFileHandle OpenStepwise(string path, int flags, out Errno errno, uint mode)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        SafeFileHandle? folder = null;
        try
        {
            for (int i = 0; i < parts.Length - 1; i++)
            {
                SafeFileHandle next = LibC.OpenAt(folder ?? Handle, parts[i], LibC.O_PATH | LibC.O_DIRECTORY | LibC.O_NOFOLLOW, out errno);
                folder?.Dispose();
                folder = next;
                if (errno != 0)
                {
                    return new SafeFileHandle(-1, ownsHandle: true);
                }
            }

            SafeFileHandle opened = LibC.OpenAt(folder ?? Handle, parts[^1], flags | LibC.O_NOFOLLOW, out errno, mode);
            if (errno != 0 || (flags & LibC.O_PATH) == 0 || !FileStatus.TryReadAt(opened, "", LibC.AT_EMPTY_PATH, out FileStatus status, out errno)
                || status.Type != FileType.SymbolicLink)
            {
                return opened;
            }

            // With O_PATH and O_NOFOLLOW together, the link itself is opened.
            opened.Dispose();
            errno = Errno.ELOOP;
            return new SafeFileHandle(-1, ownsHandle: true);
        }
        finally
        {
            folder?.Dispose();
        }
    }

    private Errno DeleteTree(string name, ReadOnlySpan<int> users, int depth)
    {
        using (FolderHandle? folder = TryOpenFolder(name, out Errno errno))
        {
            if (folder is null)
            {
                return errno;
            }

            if (!folder.TryGetStatus(out FileStatus theirs) || !TryGetStatus(out FileStatus own) || theirs.Device != own.Device || theirs.MountId != own.MountId)
            {
                return Errno.EBUSY;
            }

            errno = depth == 0 ? Errno.ELOOP : folder.DeleteContents(users, depth - 1);
            if (errno != 0)
            {
                return errno;
            }
        }

        return DeleteFolder(name);
    }

    private Errno DeleteContents(ReadOnlySpan<int> users, int depth)
    {
        if (!BelongsTo(users))
        {
            return Errno.EPERM;
        }

        Errno first = Errno.None;
        foreach (string name in ReadNames() ?? [])
        {
            Errno errno = Delete(name);
            errno = errno == Errno.EISDIR ? DeleteTree(name, users, depth) : errno;
            first = first == 0 && errno != Errno.ENOENT ? errno : first;
        }

        return first;
    }
}
