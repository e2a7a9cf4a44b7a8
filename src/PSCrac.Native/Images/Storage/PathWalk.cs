using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Images.Storage;

/// <summary>How a walk along a path ended.</summary>
internal enum PathEnd
{
    /// <summary>At a folder.</summary>
    Folder,

    /// <summary>A component does not exist.</summary>
    Missing,

    /// <summary>A component may not be looked at.</summary>
    Denied,

    /// <summary>A component is something else than a folder.</summary>
    NotAFolder,

    /// <summary>More symbolic links than the kernel would follow.</summary>
    TooManyLinks,
}

/// <summary>
/// Goes to a folder a component at a time, from descriptor to descriptor, and follows symbolic links itself. So the owner of
/// each folder and of each link on the way is known, and the folder that is reached in the end is the one that was looked at,
/// whatever the path leads to later.
/// </summary>
internal sealed class PathWalk : IDisposable
{
    private const int MaximumLinks = 40; // What the kernel follows, path_resolution(7).
    private readonly List<(string Path, FileStatus Status)> _steps = [];

    private PathWalk()
    {
    }

    /// <summary>How it ended.</summary>
    internal PathEnd End { get; private set; }

    /// <summary>The folder (O_PATH); null where the path leads to none.</summary>
    internal SafeFileHandle? Folder { get; private set; }

    /// <summary>The folder's status; only where there is one.</summary>
    internal FileStatus Status { get; private set; }

    /// <summary>The folder that it lies in (O_PATH); null where that is not known, and for the root.</summary>
    internal SafeFileHandle? Parent { get; private set; }

    /// <summary>Where the walk ended: a path without symbolic links.</summary>
    internal string Reached { get; private set; } = "/";

    /// <summary>The folders and symbolic links on the way, in their order, without the last folder.</summary>
    internal IReadOnlyList<(string Path, FileStatus Status)> Steps => _steps;

    /// <summary>Walks along a path.</summary>
    /// <param name="path">A full path.</param>
    internal static PathWalk Along(string path)
    {
        var walk = new PathWalk();
        walk.Go(path);
        return walk;
    }

    /// <summary>The first symbolic link on the way that belongs to nobody of certain users; null where there is none.</summary>
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

    /// <summary>The text of a symbolic link; null where it cannot be read.</summary>
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
        Restart();
        int links = 0;
        while (waiting.TryPop(out string? name))
        {
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
                Stop(next, here, PathEnd.NotAFolder);
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
                // It is not what this one lies in.
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
        Folder = LibC.Open("/", LibC.O_PATH | LibC.O_DIRECTORY, out _);
        FileStatus.TryReadAt(Folder, "", LibC.AT_EMPTY_PATH, out FileStatus status, out _);
        Status = status;
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
