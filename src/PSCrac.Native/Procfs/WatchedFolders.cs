namespace PSCrac.Procfs;

/// <summary>
/// The folders that a tree watches with inotify or fanotify. A program that watches a folder recursively, as .NET's FileSystemWatcher does,
/// adds a watch for each new folder in it. A temporary folder for the checkpoint must not be
/// created there: the image would contain the folder's path, which does not exist afterwards.
/// </summary>
internal sealed class WatchedFolders
{
    private readonly HashSet<(DeviceNumber Device, ulong Inode)> _watched = [];

    /// <summary>No folders.</summary>
    internal static WatchedFolders None { get; } = new();

    /// <summary>The folders that the members of a tree watch.</summary>
    internal static WatchedFolders Of(ProcessTreeSnapshot tree)
    {
        var folders = new WatchedFolders();
        foreach (ProcessSnapshot member in tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                foreach (FileWatch watch in descriptor.Watches)
                {
                    folders._watched.Add((watch.Device, watch.Inode));
                }
            }
        }

        return folders;
    }

    /// <summary>Whether the tree watches a folder.</summary>
    /// <param name="folder">The folder. If it does not exist, the nearest existing parent counts, in which it would be created.</param>
    internal bool Watches(string folder) => FindNearest(folder, out FileStatus status) is not null && Contains(status);

    /// <summary>Finds the nearest parent, on the same mount, of a watched folder that the tree does not watch.</summary>
    /// <param name="folder">The folder, which need not exist.</param>
    /// <returns>The parent; null if the folder itself is not watched or there is no such parent.</returns>
    internal string? FindUnwatchedAbove(string folder)
    {
        string? nearest = FindNearest(folder, out FileStatus status);
        string? path = nearest;
        int mount = status.MountId;
        while (path is not null && Contains(status))
        {
            path = Path.GetDirectoryName(path);
            if (path is not null && (!FileStatus.TryRead(path, flags: 0, out status, out _) || status.MountId != mount))
            {
                return null;
            }
        }

        return path == nearest ? null : path;
    }

    private bool Contains(in FileStatus status) => _watched.Contains((status.Device, status.Inode));

    private static string? FindNearest(string folder, out FileStatus status)
    {
        string? path = folder;
        status = default;
        while (path is not null && !FileStatus.TryRead(path, flags: 0, out status, out _))
        {
            path = Path.GetDirectoryName(path);
        }

        return path;
    }
}
