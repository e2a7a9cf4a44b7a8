using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// criu finds the files that inotify watches by file handles of their filesystem (criu's fsnotify.c). An unlinked file, which the kernel
/// watches as long as the file is open, is another one after the restore.
/// </summary>
internal sealed class InotifyRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        HashSet<(DeviceNumber, ulong)>? unlinked = null;
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                foreach (InotifyWatch watch in descriptor.Watches)
                {
                    unlinked ??= FindUnlinked(subject);
                    if (unlinked.Contains((watch.Device, watch.Inode)))
                    {
                        ReportUnlinked(subject, member, descriptor, watch);
                    }
                    else if (!HasMount(member.Mounts, watch.Device))
                    {
                        subject.Block(
                            member.ProcessId,
                            $"descriptor {descriptor.Number}: inotify watch on device {watch.Device}, which is not mounted",
                            CracReason.ResourceUnsupported,
                            "No path leads to the watched file any more.",
                            "The program would have to remove the watch, or be restarted.",
                            new("inotify watches on devices that are not mounted", $"inode {watch.Inode} of device {watch.Device}", $"descriptor {descriptor.Number}")
                            {
                                Action = static _ => "The program would have to remove the watches, or be restarted.",
                            });
                    }
                    else if (!watch.HasHandle)
                    {
                        subject.Warn(
                            member.ProcessId,
                            $"descriptor {descriptor.Number}: inotify watch on inode {watch.Inode} of device {watch.Device}",
                            CracReason.ResourceUnsupported,
                            "Its filesystem provides no file handle to find it by, so CRIU searches some well-known folders for it and may fail.",
                            "Give -CriuOption @{ 'irmap-scan-path' = 'FOLDER' } with the folder that is watched.",
                            new("inotify watches", $"inode {watch.Inode} of device {watch.Device}", $"descriptor {descriptor.Number}")
                            {
                                Why = "Their filesystem provides no file handles to find the watched files by, so CRIU searches some well-known folders for it and may fail.",
                            });
                    }
                }
            }
        }
    }

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

    private static void ReportUnlinked(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, InotifyWatch watch)
    {
        string item = $"inode {watch.Inode} of device {watch.Device}", place = $"descriptor {descriptor.Number}";
        string what = $"{place}: inotify watch on an unlinked file, {item}";

        // A file handle of tmpfs is of no use without a path: it does not outlive the inode (criu's fsnotify.c).
        if (FindFileSystem(member.Mounts, watch.Device) is "tmpfs" or "devtmpfs")
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.ResourceUnsupported,
                "CRIU needs the path of a watched file on tmpfs, and this one has none any more.",
                "The program would have to remove the watch, or close the file.",
                new("inotify watches on unlinked files of tmpfs", item, place) { Action = static _ => "The program would have to remove the watches, or close the files." });
        }
        else
        {
            subject.Warn(
                member.ProcessId,
                what,
                CracReason.ResourceUnsupported,
                "The watch does not come back: the restore makes the file anew, and CRIU finds the watched file by its old inode.",
                null,
                new("inotify watches on unlinked files", item, place)
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
