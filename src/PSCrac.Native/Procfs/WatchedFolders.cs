namespace PSCrac.Procfs;

/// <summary>
/// What a tree watches with inotify. A program that watches a folder with all below it, as .NET's FileSystemWatcher does,
/// adds a watch of each folder that appears there. A folder that is made for its checkpoint and does not last must not be
/// one of them: its image would have the folder's path, which leads nowhere afterwards.
/// </summary>
internal sealed class WatchedFolders
{
    private readonly HashSet<(DeviceNumber Device, ulong Inode)> _watched = [];

    /// <summary>Nothing.</summary>
    internal static WatchedFolders None { get; } = new();

    /// <summary>What the members of a tree watch.</summary>
    internal static WatchedFolders Of(ProcessTreeSnapshot tree)
    {
        var folders = new WatchedFolders();
        foreach (ProcessSnapshot member in tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                foreach (InotifyWatch watch in descriptor.Watches)
                {
                    folders._watched.Add((watch.Device, watch.Inode));
                }
            }
        }

        return folders;
    }

    /// <summary>Whether the tree notices what is made in a folder.</summary>
    /// <param name="folder">The folder. Of one that is not there yet, the nearest above counts, where its making is noticed.</param>
    internal bool Notices(string folder) => FindNearest(folder, out FileStatus status) is not null && Contains(status);

    /// <summary>The nearest folder above one that the tree watches, on the same mount, in which it notices nothing.</summary>
    /// <param name="folder">The folder, which need not be there yet.</param>
    /// <returns>The one above; null where the folder itself will do, or there is none.</returns>
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
