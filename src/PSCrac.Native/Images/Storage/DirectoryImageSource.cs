using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Images.Storage;

/// <summary>
/// An image in a directory, as criu writes it. The directory is opened for each access, so that thousands of images use no descriptors, and
/// must be the same directory each time. The files must not be symbolic links, except parent.
/// </summary>
internal sealed class DirectoryImageSource : ImageSource
{
    private const string ParentLink = "parent";
    private readonly FolderHandle? _folder;
    private readonly Lazy<ImageSource?> _parent;
    private ImageFileInfo[]? _files;
    private Identity? _identity;

    /// <summary>Reads a directory by its path.</summary>
    internal DirectoryImageSource(string path)
        : base(path) => _parent = new(FindParent, LazyThreadSafetyMode.PublicationOnly);

    /// <summary>Reads an open directory, which stays open for as long as this object is used.</summary>
    internal DirectoryImageSource(FolderHandle folder)
        : this(folder, folder.Path)
    {
    }

    /// <summary>The same with another path in messages: where the image is from, or will be.</summary>
    internal DirectoryImageSource(FolderHandle folder, string shownPath)
        : this(shownPath) => _folder = folder;

    internal override IReadOnlyList<ImageFileInfo> Files => _files ??= List();

    internal override ImageSource? Parent => _parent.Value;

    internal override bool Contains(string name)
    {
        using FolderHandle? folder = OpenFolder(out _);
        return folder is not null && folder.TryGetStatus(name, out FileStatus status, out _) && status.Type != FileType.Directory;
    }

    internal override DateTimeOffset LastWrite(string name)
    {
        using FolderHandle? folder = OpenFolder(out _);
        using SafeFileHandle? file = folder?.OpenToRead(name, out _);
        return file is null or { IsInvalid: true } ? DateTime.FromFileTimeUtc(0) : File.GetLastWriteTimeUtc(file);
    }

    internal override ImageFile? TryOpen(string name)
    {
        using FolderHandle? folder = OpenFolder(out Errno errno);
        SafeFileHandle? file = folder?.OpenToRead(name, out errno);
        if (file is { IsInvalid: false })
        {
            return new DiskImageFile(Path, name, file, 0, RandomAccess.GetLength(file), ownsHandle: true);
        }

        file?.Dispose();
        switch (errno)
        {
            case Errno.ENOENT or Errno.ENOTDIR:
                return null;
            case Errno.ELOOP:
                throw ImageFault.IsLink(Path, name);
            case Errno.EINVAL:
                // A FIFO, socket or device is not read, because that could block or have side effects.
                return folder!.TryGetStatus(name, out FileStatus status, out _) && status.Type != FileType.Directory ? new MemoryImageFile(Path, name, default) : null;
            default:
                throw ImageFault.Unreadable(Path, name, errno);
        }
    }

    /// <summary>Opens a file with flags of open(2); the handle is invalid on failure.</summary>
    internal SafeFileHandle OpenFile(string name, int flags, out Errno errno)
    {
        using FolderHandle? folder = OpenFolder(out errno);
        return folder?.Open(name, flags, out errno) ?? new SafeFileHandle(-1, ownsHandle: true);
    }

    /// <summary>Whether a status is that of the directory that was read so far.</summary>
    internal bool IsSameFolder(in FileStatus status) => _identity == new Identity(status.Device, status.Inode);

    private FolderHandle? OpenFolder(out Errno errno)
    {
        FolderHandle? folder = _folder is null ? FolderHandle.TryOpen(Path, out errno) : _folder.TryReopen(out errno);
        if (folder is null || !folder.TryGetStatus(out FileStatus status))
        {
            return folder;
        }

        var now = new Identity(status.Device, status.Inode);
        if ((Interlocked.CompareExchange(ref _identity, now, null) ?? now) != now)
        {
            folder.Dispose();
            throw ImageFault.Exchanged(Path);
        }

        return folder;
    }

    private DirectoryImageSource? FindParent()
    {
        using FolderHandle? folder = OpenFolder(out _);
        if (folder is null || !folder.TryGetStatus(ParentLink, out FileStatus status, out _))
        {
            return null;
        }

        // criu opens the name, so a directory is accepted as well as a link.
        string? path = status.Type == FileType.SymbolicLink ? folder.ReadLink(ParentLink) : status.Type == FileType.Directory ? ParentLink : null;
        if (path is null)
        {
            return null;
        }

        using PathWalk walk = PathWalk.Along(System.IO.Path.Combine(Path, path));
        return walk.Folder is null ? null : new DirectoryImageSource(walk.Reached);
    }

    private ImageFileInfo[] List()
    {
        using FolderHandle? folder = OpenFolder(out Errno errno);
        if (folder?.ReadNames(NameBudget.MaximumImageFiles + 1) is not { } names)
        {
            throw ImageFault.Unreadable(Path, "the directory", errno);
        }

        var budget = new NameBudget();
        var files = new List<ImageFileInfo>(names.Count);
        foreach (string name in names)
        {
            if (budget.Add(name) is { } limit)
            {
                ImageFault.TooLarge(Path, name, limit);
            }

            if (folder.TryGetStatus(name, out FileStatus status, out _) && status.Type != FileType.Directory && name != ParentLink)
            {
                files.Add(new ImageFileInfo(name, status.Type == FileType.Regular ? status.SizeBytes : 0));
            }
        }

        files.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name));
        return [.. files];
    }

    private sealed record Identity(DeviceNumber Device, ulong Inode);
}
