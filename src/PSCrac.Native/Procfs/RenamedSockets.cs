using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// Unix sockets whose files were renamed after they were bound, as programs do to put a new socket in the place of an old one. The
/// kernel keeps the name of the bind, and criu binds them to that name again (criu's sk-unix.c).
/// </summary>
internal static class RenamedSockets
{
    // Not searched without limit: a socket's folder may be a large one.
    private const int MaximumEntries = 10_000;

    /// <summary>Finds those of a tree whose files are still in the folder that they were bound in.</summary>
    /// <returns>The paths by the names that the sockets were bound to, absolute both.</returns>
    internal static Dictionary<string, string> Of(ProcessTreeSnapshot tree)
    {
        var renamed = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (ProcessSnapshot member in tree.Members)
        {
            foreach (ulong inode in member.SocketProtocols.Keys)
            {
                if (member.Sockets?.Find(inode) is { Protocol: SocketProtocol.Unix, OwnsUnixName: true, FileInode: not 0 } socket
                    && socket.UnixName!.StartsWith('/') && !renamed.ContainsKey(socket.UnixName) && FindFile(tree.RootOf(member), socket.UnixName, socket.FileInode) is { } path)
                {
                    renamed.Add(socket.UnixName, path);
                }
            }
        }

        return renamed;
    }

    /// <summary>The path, relative to the working directory of its process, of a socket that was bound to such a path and renamed; null for others.</summary>
    internal static string? FindRelative(ProcessSnapshot member, SocketEntry socket) =>
        socket is { OwnsUnixName: true, FileInode: not 0, UnixName: [not '/' and not '@', ..] name } ? FindFile($"/proc/{member.ProcessId}/cwd/", name, socket.FileInode) : null;

    private static string? FindFile(string root, string name, uint inode)
    {
        if (IsFileOf(root + name, inode) || Path.GetDirectoryName(name) is not { } folder)
        {
            return null;
        }

        try
        {
            foreach (string entry in Directory.EnumerateFileSystemEntries(root + folder).Take(MaximumEntries))
            {
                if (IsFileOf(entry, inode))
                {
                    return Path.Combine(folder, Path.GetFileName(entry));
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The folder is gone or may not be read: the file has no path that is known.
        }

        return null;
    }

    private static bool IsFileOf(string path, uint inode) =>
        FileStatus.TryRead(path, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus status, out _) && status.Type == FileType.Socket && (uint)status.Inode == inode;
}
