using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Images.Storage;

/// <summary>The result of a walk along a path.</summary>
internal enum PathEnd
{
    /// <summary>A folder was reached.</summary>
    Folder,

    /// <summary>Another file was reached, where a walk may end at one.</summary>
    File,

    /// <summary>A component does not exist.</summary>
    Missing,

    /// <summary>No permission to access a component.</summary>
    Denied,

    /// <summary>A component is not a folder.</summary>
    NotAFolder,

    /// <summary>The path has more symbolic links than the kernel follows.</summary>
    TooManyLinks,
}

/// <summary>
/// Opens a path one component at a time, from descriptor to descriptor, and resolves symbolic links itself. The owner of
/// each folder and link on the way is therefore known, and the folder at the end is the one that was checked,
/// even if the path leads elsewhere later.
/// </summary>
internal sealed class PathWalk : IDisposable
{
    private const int MaximumLinks = 40; // The kernel's limit, path_resolution(7).
    private readonly List<(string Path, FileStatus Status)> _steps = [];
    private readonly SafeFileHandle? _root;
    private readonly bool _mayEndAtFile;
    private FileStatus _rootStatus;

    private PathWalk(SafeFileHandle? root, bool mayEndAtFile = false)
    {
        _root = root;
        _mayEndAtFile = mayEndAtFile;
    }

    /// <summary>The result.</summary>
    internal PathEnd End { get; private set; }

    /// <summary>The folder (O_PATH); null if none was reached.</summary>
    internal SafeFileHandle? Folder { get; private set; }

    /// <summary>The status of what was reached; valid only for <see cref="PathEnd.Folder"/> and <see cref="PathEnd.File"/>.</summary>
    internal FileStatus Status { get; private set; }

    /// <summary>The parent folder (O_PATH); null for the root, and if it is unknown.</summary>
    internal SafeFileHandle? Parent { get; private set; }

    /// <summary>The path at which the walk ended, without symbolic links.</summary>
    internal string Reached { get; private set; } = "/";

    /// <summary>The folders and symbolic links on the way, in order, without the last folder.</summary>
    internal IReadOnlyList<(string Path, FileStatus Status)> Steps => _steps;

    /// <summary>Walks along a path.</summary>
    /// <param name="path">A full path.</param>
    /// <param name="root">The root directory of a process, which the walk does not leave; null for the caller's.</param>
    internal static PathWalk Along(string path, SafeFileHandle? root = null)
    {
        var walk = new PathWalk(root);
        walk.Restart();
        walk.Go(path);
        return walk;
    }

    /// <summary>Walks along a path that may lead to a folder or to another file, of which the walk opens nothing.</summary>
    /// <param name="path">A full path.</param>
    internal static PathWalk ToFile(string path)
    {
        var walk = new PathWalk(root: null, mayEndAtFile: true);
        walk.Restart();
        walk.Go(path);
        return walk;
    }

    /// <summary>Walks from an open folder along the target of a symbolic link in it.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="target">A full path, or one from the folder on.</param>
    /// <param name="root">The root directory of a process, which the walk does not leave.</param>
    internal static PathWalk Along(FolderHandle folder, string target, SafeFileHandle root)
    {
        var walk = new PathWalk(root);
        walk.Restart();
        if (!target.StartsWith('/') && folder.TryGetStatus(out FileStatus status))
        {
            walk.Folder!.Dispose();
            walk.Folder = LibC.Duplicate(folder.Handle, 0, out _);
            (walk.Status, walk.Reached) = (status, folder.Path);
        }

        walk.Go(target);
        return walk;
    }

    /// <summary>The first symbolic link on the way that does not belong to one of the given users; null if there is none.</summary>
    internal (string Path, uint UserId)? FindForeignLink(ReadOnlySpan<int> users)
    {
        foreach ((string path, FileStatus status) in _steps)
        {
            if (status.Type == FileType.SymbolicLink && !users.Contains((int)status.UserId))
            {
                return (path, status.UserId);
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Folder?.Dispose();
        Parent?.Dispose();
    }

    /// <summary>The target of a symbolic link; null if it cannot be read.</summary>
    internal static string? ReadLink(SafeFileHandle folder, string name)
    {
        Span<byte> buffer = stackalloc byte[4096];
        int length = LibC.ReadLinkAt(folder, name, buffer, out _);
        return length <= 0 ? null : Encoding.UTF8.GetString(buffer[..length]);
    }

    private void Go(string path)
    {
        var waiting = new Stack<string>();
        Push(waiting, path);
        int links = 0;
        while (waiting.TryPop(out string? name))
        {
            if (name == ".." && Status.IsSameFile(_rootStatus))
            {
                continue;
            }

            string here = name == ".." ? Path.GetDirectoryName(Reached) ?? "/" : Path.Combine(Reached, name);
            SafeFileHandle next = LibC.OpenAt(Folder!, name, LibC.O_PATH | LibC.O_NOFOLLOW, out Errno errno);
            if (errno != 0 || !FileStatus.TryReadAt(next, "", LibC.AT_EMPTY_PATH, out FileStatus status, out errno))
            {
                Stop(next, here, errno == Errno.EACCES ? PathEnd.Denied : PathEnd.Missing);
                return;
            }

            if (status.Type == FileType.SymbolicLink)
            {
                if (!Follow(waiting, name, here, status, ++links))
                {
                    Stop(next, here, links > MaximumLinks ? PathEnd.TooManyLinks : PathEnd.Missing);
                    return;
                }

                next.Dispose();
                continue;
            }

            if (status.Type != FileType.Directory)
            {
                Stop(next, here, _mayEndAtFile && waiting.Count == 0 ? PathEnd.File : PathEnd.NotAFolder);
                Status = status;
                return;
            }

            if (waiting.Count > 0)
            {
                _steps.Add((here, status));
            }

            Parent?.Dispose();
            Parent = Folder;
            if (name == "..")
            {
                // The previous folder is not the parent of this one.
                Parent!.Dispose();
                Parent = null;
            }

            Folder = next;
            Status = status;
            Reached = here;
        }
    }

    private bool Follow(Stack<string> waiting, string name, string here, in FileStatus status, int links)
    {
        _steps.Add((here, status));
        if (links > MaximumLinks || ReadLink(Folder!, name) is not { } target)
        {
            return false;
        }

        Push(waiting, target);
        if (target.StartsWith('/'))
        {
            Restart();
        }

        return true;
    }

    private void Restart()
    {
        Dispose();
        Parent = null;
        Folder = LibC.OpenAt(_root ?? LibC.WorkingDirectory, _root is null ? "/" : ".", LibC.O_PATH | LibC.O_DIRECTORY, out _);
        FileStatus.TryReadAt(Folder, "", LibC.AT_EMPTY_PATH, out _rootStatus, out _);
        Status = _rootStatus;
        Reached = "/";
    }

    private void Stop(SafeFileHandle next, string here, PathEnd end)
    {
        next.Dispose();
        Dispose();
        (Folder, Parent, Reached, End) = (null, null, here, end);
    }

    private static void Push(Stack<string> waiting, string path)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int i = parts.Length - 1; i >= 0; i--)
        {
            if (parts[i] != ".")
            {
                waiting.Push(parts[i]);
            }
        }
    }
}
