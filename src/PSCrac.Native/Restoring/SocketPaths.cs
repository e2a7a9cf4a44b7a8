using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Preflight.ImageRules;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>
/// The paths of unix sockets during a restore. criu removes the file at the path that it binds, and binds sockets whose files were renamed
/// to their first names. What others have bound keeps its path, and what was renamed is renamed again, before the tree runs.
/// </summary>
internal sealed class SocketPaths : IDisposable
{
    private readonly CracImage _image;
    private readonly List<(string Path, FolderHandle Folder, string Kept)> _kept = [];

    private SocketPaths(CracImage image) => _image = image;

    /// <summary>Begins, before criu restores.</summary>
    /// <param name="image">The image.</param>
    /// <param name="keepOthers">Whether sockets that others have bound get a second name, by which they get back their paths.</param>
    internal static SocketPaths Begin(CracImage image, bool keepOthers)
    {
        var paths = new SocketPaths(image);
        foreach ((CracImageSocket socket, _) in keepOthers ? UnixNameRule.FindTaken(image) : [])
        {
            string name = Path.GetFileName(socket.Local);
            string kept = $"{name}.pscrac-{Environment.ProcessId}";
            if (socket.Local[0] == '/' && OpenFolder(socket.Local) is { } folder)
            {
                if (IsSocket(folder, name) == true && folder.Link(name, folder, kept) == 0)
                {
                    paths._kept.Add((socket.Local, folder, kept));
                }
                else
                {
                    folder.Dispose();
                }
            }
        }

        return paths;
    }

    /// <summary>Puts the paths right, after criu has restored and before the tree runs.</summary>
    /// <returns>What could not be done, a sentence for each.</returns>
    internal IEnumerable<string> Complete()
    {
        HashSet<string> others = [.. _kept.Select(static each => each.Path)];
        GiveBack();
        if (_image.Manifest is not { Process.RenamedSockets: { Count: > 0 } renamed } || _image.Namespaces.Any(static each => each is { Kind: "mnt", IsHost: false }))
        {
            yield break;
        }

        foreach ((string bound, string path) in renamed)
        {
            if (!others.Contains(bound) && !IsTaken(path) && Rename(bound, path) is var errno and not 0)
            {
                yield return $"The unix socket {path} is at {bound}, the name that it was bound to: it could not be renamed ({LibC.Message(errno)}).";
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => GiveBack();

    // Another instance has the path: it keeps it.
    private static bool IsTaken(string path) => BoundUnixSockets.Read().Find(path) is not null;

    // Both are in one folder, which the comparison of the manifest with criu's files has made sure of. Like criu: only the file of a
    // socket is replaced.
    private static Errno Rename(string bound, string path)
    {
        using FolderHandle? folder = OpenFolder(bound);
        string name = Path.GetFileName(path);
        return folder is null || IsSocket(folder, Path.GetFileName(bound)) != true ? Errno.ENOENT
            : IsSocket(folder, name) == false ? Errno.EEXIST
            : folder.Rename(Path.GetFileName(bound), folder, name);
    }

    private static FolderHandle? OpenFolder(string path) => FolderHandle.TryOpen(Path.GetDirectoryName(path)!, out _);

    // Null where there is nothing.
    private static bool? IsSocket(FolderHandle folder, string name) =>
        folder.TryGetStatus(name, out FileStatus status, out _) ? status.Type == FileType.Socket : null;

    private void GiveBack()
    {
        foreach ((string path, FolderHandle folder, string kept) in _kept)
        {
            // Where criu has not bound the path, both are links of one file, and rename(2) does nothing.
            folder.Rename(kept, folder, Path.GetFileName(path));
            folder.Delete(kept);
            folder.Dispose();
        }

        _kept.Clear();
    }
}
