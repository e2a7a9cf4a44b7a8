using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>criu finds the files that inotify watches by file handles of their filesystem (criu's fsnotify.c).</summary>
internal sealed class InotifyRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                foreach (InotifyWatch watch in descriptor.Watches)
                {
                    if (!HasMount(member.Mounts, watch.Device))
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
