using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>A mount of a mount namespace in an image.</summary>
public sealed class CracImageMount
{
    // criu's numbers for file systems; for 16 the name is in fsname.
    private static readonly string[] s_types =
    [
        "unsupported", "proc", "sysfs", "devtmpfs", "binfmt_misc", "tmpfs", "devpts", "simfs", "pstore", "securityfs", "fusectl", "debugfs",
        "cgroup", "aufs", "mqueue", "fuse", "auto", "overlay", "autofs", "tracefs", "", "", "", "cgroup2",
    ];

    private CracImageMount(int namespaceId, CracImageRecord details)
    {
        NamespaceId = namespaceId;
        Details = details;
    }

    /// <summary>The mount namespace's id in the image.</summary>
    public int NamespaceId { get; }

    /// <summary>The mount's id.</summary>
    public int MountId => (int)Details.GetNumber("mnt_id");

    /// <summary>The id of the parent mount.</summary>
    public int ParentMountId => (int)Details.GetNumber("parent_mnt_id");

    /// <summary>The mount point.</summary>
    public string MountPoint => Details.GetText("mountpoint") ?? "";

    /// <summary>The file system's type, such as "tmpfs".</summary>
    public string FileSystem
    {
        get
        {
            ulong type = Details.GetNumber("fstype");
            return Details.GetText("fsname") is { Length: > 0 } name ? name : type < (ulong)s_types.Length ? s_types[type] : type.ToString();
        }
    }

    /// <summary>The mount source: a device's path or a name.</summary>
    public string Source => Details.GetText("source") ?? "";

    /// <summary>The directory of the file system that is mounted: "/" unless it is a bind mount.</summary>
    public string Root => Details.GetText("root") ?? "";

    /// <summary>The file system's options, separated by commas.</summary>
    public string Options => Details.GetText("options") ?? "";

    /// <summary>The file system's device number, as "major:minor".</summary>
    public string Device => $"{Details.GetNumber("root_dev") >> 20}:{Details.GetNumber("root_dev") & 0xfffff}";

    /// <summary>Whether the mount is external: the restore must provide it.</summary>
    public bool IsExternal => Details.GetFlag("ext_mount") || Details.ContainsKey("ext_key");

    /// <summary>The mount's decoded entry.</summary>
    internal CracImageRecord Details { get; }

    /// <inheritdoc/>
    public override string ToString() => $"{Source} on {MountPoint} type {FileSystem}";

    internal static CracImageMount[] ReadAll(ImageSource source)
    {
        var mounts = new List<CracImageMount>();
        foreach (ImageFileInfo file in source.Files)
        {
            if (ImageFileName.ParseNumber(file.Name, "mountpoints-") is not { } id)
            {
                continue;
            }

            int first = mounts.Count;
            foreach (CracImageRecord mount in source.ReadRecords(file.Name, ImageType.Mnts))
            {
                mounts.Add(new CracImageMount((int)id, mount));
            }

            // criu writes children before their parents.
            mounts.Reverse(first, mounts.Count - first);
        }

        return [.. mounts];
    }
}
