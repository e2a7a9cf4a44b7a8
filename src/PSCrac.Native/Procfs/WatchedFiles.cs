using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// How the files that a tree watches are found again. criu opens them by their handles; the handles of overlay file systems without
/// nfs_export, of proc, sysfs and devpts only tell files apart (exportfs_encode_fid() of the kernel, since 6.5), and criu then searches
/// the folders that it is told of and some well-known ones (criu's fsnotify.c and irmap.c).
/// </summary>
internal sealed class WatchedFiles(ProcessTreeSnapshot tree) : IDisposable
{
    // Of one file system: a walk through a large one would take longer than the checkpoint.
    private const int MaximumEntries = 50_000;

    // Opening what a device's mount leads to must not wait for a reader or writer.
    private const int Flags = LibC.O_RDONLY | LibC.O_NONBLOCK;

    private readonly Dictionary<(string Root, DeviceNumber Device), SafeFileHandle?> _mounts = [];
    private readonly Dictionary<(string Root, DeviceNumber Device), Dictionary<ulong, string>> _paths = [];

    /// <summary>Whether the handle of a watched file leads back to it. True as well where this process may not try.</summary>
    internal bool CanOpen(ProcessSnapshot member, FileWatch watch)
    {
        if (watch.Handle is null)
        {
            return false;
        }

        if (MountOf(member, watch.Device) is not { } mount)
        {
            return true;
        }

        using SafeFileHandle file = LibC.OpenByHandle(mount, watch.HandleType, watch.Handle, out Errno errno);
        return errno != Errno.ESTALE;
    }

    /// <summary>
    /// The path of a watched file in its process's mount namespace: of the folders on its file system those are looked at first that the
    /// process works in, has open, or was given. Null where it was not found.
    /// </summary>
    internal string? FindPath(ProcessSnapshot member, FileWatch watch)
    {
        (string Root, DeviceNumber Device) key = (tree.RootOf(member), watch.Device);
        if (!_paths.TryGetValue(key, out Dictionary<ulong, string>? paths))
        {
            _paths.Add(key, paths = Search(member, watch.Device));
        }

        return paths.GetValueOrDefault(watch.Inode);
    }

    private SafeFileHandle? MountOf(ProcessSnapshot member, DeviceNumber device)
    {
        string root = tree.RootOf(member);
        if (!_mounts.TryGetValue((root, device), out SafeFileHandle? handle))
        {
            foreach (string point in PointsOf(member, device))
            {
                handle = LibC.Open(root + point, Flags, out Errno errno);
                if (errno == Errno.None && FileStatus.TryReadAt(handle, "", LibC.AT_EMPTY_PATH, out FileStatus status, out _) && status.Device == device)
                {
                    break;
                }

                handle.Dispose();
                handle = null;
            }

            _mounts.Add((root, device), handle);
        }

        return handle;
    }

    private Dictionary<ulong, string> Search(ProcessSnapshot member, DeviceNumber device)
    {
        HashSet<ulong> wanted = [.. tree.Members.SelectMany(static each => each.Descriptors).SelectMany(static each => each.Watches)
            .Where(watch => watch.Device == device).Select(static watch => watch.Inode)];
        var found = new Dictionary<ulong, string>();
        string root = tree.RootOf(member);
        var folders = new Queue<string>();
        var seen = new HashSet<ulong>();
        foreach (string start in FirstFolders(member).Concat(PointsOf(member, device)))
        {
            Look(start);
        }

        for (int entries = 0; wanted.Count > 0 && entries < MaximumEntries && folders.TryDequeue(out string? folder);)
        {
            using SafeFileHandle handle = LibC.Open(root + folder, LibC.O_RDONLY | LibC.O_DIRECTORY | LibC.O_NOFOLLOW, out _);
            foreach (string name in ProcessDirectory.ReadNames(handle, MaximumEntries) ?? [])
            {
                entries++;
                Look(folder == "/" ? folder + name : $"{folder}/{name}");
            }
        }

        return found;

        void Look(string path)
        {
            if (!FileStatus.TryRead(root + path, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus status, out _) || status.Device != device || !seen.Add(status.Inode))
            {
                return;
            }

            if (wanted.Remove(status.Inode))
            {
                found.Add(status.Inode, path);
            }

            if (status.Type == FileType.Directory)
            {
                folders.Enqueue(path);
            }
        }
    }

    private static IEnumerable<string> FirstFolders(ProcessSnapshot member)
    {
        if (member.CommandLine.WorkingDirectory is { } working)
        {
            yield return working;
        }

        foreach (string argument in member.CommandLine.Arguments)
        {
            if (argument.StartsWith('/'))
            {
                yield return argument.Length > 1 ? argument.TrimEnd('/') : argument;
            }
        }

        foreach (ProcessDescriptor descriptor in member.Descriptors)
        {
            if (descriptor.Kind is DescriptorKind.RegularFile or DescriptorKind.Directory && Path.GetDirectoryName(descriptor.Target) is { Length: > 0 } folder)
            {
                yield return folder;
            }
        }
    }

    private static IEnumerable<string> PointsOf(ProcessSnapshot member, DeviceNumber device)
    {
        foreach (MountPoint mount in member.Mounts?.Mounts ?? [])
        {
            if (mount.Device == device)
            {
                yield return mount.Point;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafeFileHandle? mount in _mounts.Values)
        {
            mount?.Dispose();
        }
    }
}
