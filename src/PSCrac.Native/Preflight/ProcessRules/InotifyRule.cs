using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// criu finds the files that inotify and fanotify watch by file handles of their filesystem, or by their paths (criu's fsnotify.c). An
/// unlinked file, which the kernel watches as long as the file is open, is another one after the restore.
/// </summary>
internal sealed class InotifyRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        HashSet<(DeviceNumber, ulong)>? unlinked = null;
        using var files = new WatchedFiles(subject.Tree);
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                var paths = new SortedSet<string>(s_longestFirst);
                foreach (FileWatch watch in descriptor.Watches)
                {
                    unlinked ??= FindUnlinked(subject);
                    if (unlinked.Contains((watch.Device, watch.Inode)))
                    {
                        ReportUnlinked(subject, member, descriptor, watch);
                    }
                    else if (!HasMount(member.Mounts, watch.Device))
                    {
                        ReportUnmounted(subject, member, descriptor, watch);
                    }
                    else if (!files.CanOpen(member, watch))
                    {
                        string? path = files.FindPath(member, watch);
                        if (path == "/")
                        {
                            // criu looks at the root by itself, and at nothing else by that name.
                        }
                        else if (FindFolder(path) is { } told)
                        {
                            paths.Add(told);
                        }
                        else
                        {
                            ReportNotFound(subject, member, descriptor, watch);
                        }
                    }
                }

                if (paths.Count > 0)
                {
                    OfferPaths(subject, member, descriptor, [.. paths]);
                }
            }
        }
    }

    // criu looks through each folder that it is told of before the next one.
    private static readonly Comparer<string> s_longestFirst =
        Comparer<string>.Create(static (one, other) => one.Length != other.Length ? other.Length.CompareTo(one.Length) : string.CompareOrdinal(one, other));

    // criu is told of a folder above where it cannot be told of a name, and looks through all that is in that.
    private static string? FindFolder(string? path)
    {
        while (path is not null && !CriuConfigFile.CanHold(path))
        {
            path = Path.GetDirectoryName(path);
        }

        return path == "/" ? null : path;
    }

    private static string NameOf(ProcessDescriptor descriptor) => descriptor.Kind == DescriptorKind.Fanotify ? "fanotify" : "inotify";

    private static void OfferPaths(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, string[] paths)
    {
        string value = string.Join('\n', paths);
        subject.Offer(
            member.ProcessId,
            $"descriptor {descriptor.Number}: {NameOf(descriptor)} {(paths.Length == 1 ? "watch" : $"watches: {paths.Length}")} on {FindingGroups.List(paths)}",
            CracReason.ResourceUnsupported,
            "The filesystem gives no handle that leads back to a file, so CRIU has to find it by its path.",
            $"Give {OptionTable.IrmapScanPath.Spelling(value)}.",
            new OptionOffer(OptionTable.IrmapScanPath, value));
    }

    private static void ReportUnmounted(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, FileWatch watch) =>
        subject.Block(
            member.ProcessId,
            $"descriptor {descriptor.Number}: {NameOf(descriptor)} watch on device {watch.Device}, which is not mounted",
            CracReason.ResourceUnsupported,
            "No path leads to the watched file any more.",
            "The program would have to remove the watch, or be restarted.",
            new($"{NameOf(descriptor)} watches on devices that are not mounted", $"inode {watch.Inode} of device {watch.Device}", $"descriptor {descriptor.Number}")
            {
                Action = static _ => "The program would have to remove the watches, or be restarted.",
            });

    private static void ReportNotFound(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, FileWatch watch) =>
        subject.Warn(
            member.ProcessId,
            $"descriptor {descriptor.Number}: {NameOf(descriptor)} watch on inode {watch.Inode} of device {watch.Device}",
            CracReason.ResourceUnsupported,
            "Its filesystem provides no file handle to find it by, so CRIU searches some well-known folders for it and may fail.",
            "Give -CriuOption @{ 'irmap-scan-path' = 'FOLDER' } with the folder that is watched.",
            new($"{NameOf(descriptor)} watches", $"inode {watch.Inode} of device {watch.Device}", $"descriptor {descriptor.Number}")
            {
                Why = "Their filesystem provides no file handles to find the watched files by, so CRIU searches some well-known folders for it and may fail.",
            });

    private static HashSet<(DeviceNumber, ulong)> FindUnlinked(PreflightSubject subject)
    {
        var unlinked = new HashSet<(DeviceNumber, ulong)>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor is { IsUnlinked: true, Status.LinkCount: 0 })
                {
                    unlinked.Add((descriptor.Status.Device, descriptor.Status.Inode));
                }
            }

            foreach (MemoryArea area in member.Areas)
            {
                if (area is { IsUnlinked: true, Kind: MemoryAreaKind.File })
                {
                    unlinked.Add((area.Device, area.Inode));
                }
            }

            if (FileStatus.TryRead($"/proc/{member.ProcessId}/cwd", flags: 0, out FileStatus folder, out _) && folder.LinkCount == 0)
            {
                unlinked.Add((folder.Device, folder.Inode));
            }
        }

        return unlinked;
    }

    private static void ReportUnlinked(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, FileWatch watch)
    {
        string item = $"inode {watch.Inode} of device {watch.Device}", place = $"descriptor {descriptor.Number}";
        string what = $"{place}: {NameOf(descriptor)} watch on an unlinked file, {item}";

        // A file handle of tmpfs is of no use without a path: it does not outlive the inode (criu's fsnotify.c).
        if (FindFileSystem(member.Mounts, watch.Device) is "tmpfs" or "devtmpfs")
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.ResourceUnsupported,
                "CRIU needs the path of a watched file on tmpfs, and this one has none any more.",
                "The program would have to remove the watch, or close the file.",
                new($"{NameOf(descriptor)} watches on unlinked files of tmpfs", item, place) { Action = static _ => "The program would have to remove the watches, or close the files." });
        }
        else
        {
            subject.Warn(
                member.ProcessId,
                what,
                CracReason.ResourceUnsupported,
                "The watch does not come back: the restore makes the file anew, and CRIU finds the watched file by its old inode.",
                null,
                new($"{NameOf(descriptor)} watches on unlinked files", item, place)
                {
                    Why = "The watches do not come back: the restore makes the files anew, and CRIU finds watched files by their old inodes.",
                });
        }
    }

    private static string? FindFileSystem(MountTable? mounts, DeviceNumber device)
    {
        foreach (MountPoint mount in mounts?.Mounts ?? [])
        {
            if (mount.Device == device)
            {
                return mount.FileSystem;
            }
        }

        return null;
    }

    private static bool HasMount(MountTable? mounts, DeviceNumber device)
    {
        if (mounts is null)
        {
            return true;
        }

        foreach (MountPoint mount in mounts.Mounts)
        {
            if (mount.Device == device)
            {
                return true;
            }
        }

        return false;
    }
}
