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
    private readonly List<(string Path, string Kept)> _kept = [];

    private SocketPaths(CracImage image) => _image = image;

    /// <summary>Begins, before criu restores.</summary>
    /// <param name="image">The image.</param>
    /// <param name="keepOthers">Whether sockets that others have bound get a second name, by which they get back their paths.</param>
    internal static SocketPaths Begin(CracImage image, bool keepOthers)
    {
        var paths = new SocketPaths(image);
        foreach ((CracImageSocket socket, _) in keepOthers ? UnixNameRule.FindTaken(image) : [])
        {
            string kept = $"{socket.Local}.pscrac-{Environment.ProcessId}";
            if (socket.Local[0] == '/' && LibC.Link(socket.Local, LibC.WorkingDirectory, kept) == 0)
            {
                paths._kept.Add((socket.Local, kept));
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
            // Like criu: only the file of a socket is replaced.
            bool isOther = FileStatus.TryRead(path, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus present, out _) && present.Type != FileType.Socket;
            if (!others.Contains(bound) && !IsTaken(path)
                && (isOther ? Errno.EEXIST : LibC.Rename(LibC.WorkingDirectory, bound, path, flags: 0)) is var errno and not 0)
            {
                yield return $"The unix socket {path} is at {bound}, the name that it was bound to: it could not be renamed ({LibC.Message(errno)}).";
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => GiveBack();

    // Another instance has the path: it keeps it.
    private static bool IsTaken(string path) => BoundUnixSockets.Read().Find(path) is not null;

    private void GiveBack()
    {
        foreach ((string path, string kept) in _kept)
        {
            // Where criu has not bound the path, both are links of one file, and rename(2) does nothing.
            LibC.Rename(LibC.WorkingDirectory, kept, path, flags: 0);
            LibC.Unlink(LibC.WorkingDirectory, kept, 0);
        }

        _kept.Clear();
    }
}
