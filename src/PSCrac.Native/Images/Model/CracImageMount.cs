using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac;

/// <summary>A mount of a mount namespace that an image holds.</summary>
public sealed class CracImageMount
{
    // criu's numbers of file systems; 16 stands for one whose name is in fsname.
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
    public int MountId => (int)Details.Number("mnt_id");

    /// <summary>The id of the mount it is on.</summary>
    public int ParentMountId => (int)Details.Number("parent_mnt_id");

    /// <summary>Where it is mounted.</summary>
    public string MountPoint => Details.Text("mountpoint") ?? "";

    /// <summary>The file system's type, such as "tmpfs".</summary>
    public string FileSystem
    {
        get
        {
            ulong type = Details.Number("fstype");
            return Details.Text("fsname") is { Length: > 0 } name ? name : type < (ulong)s_types.Length ? s_types[type] : type.ToString();
        }
    }

    /// <summary>What is mounted: a device's path, or a name.</summary>
    public string Source => Details.Text("source") ?? "";

    /// <summary>The folder of the file system that is mounted: "/" unless it is a bind mount.</summary>
    public string Root => Details.Text("root") ?? "";

    /// <summary>The file system's options, with commas between them.</summary>
    public string Options => Details.Text("options") ?? "";

    /// <summary>The file system's device number, as "major:minor".</summary>
    public string Device => $"{Details.Number("root_dev") >> 20}:{Details.Number("root_dev") & 0xfffff}";

    /// <summary>Whether the mount comes from outside, and must be there again at the restore.</summary>
    public bool IsExternal => Details.Flag("ext_mount") || Details.ContainsKey("ext_key");

    /// <summary>The mount's entry, with all that criu noted.</summary>
    internal CracImageRecord Details { get; }

    /// <inheritdoc/>
    public override string ToString() => $"{Source} on {MountPoint} type {FileSystem}";

    internal static CracImageMount[] ReadAll(ImageSource source)
    {
        var mounts = new List<CracImageMount>();
        foreach (ImageFileInfo file in source.Files)
        {
            if (ImageFileName.Number(file.Name, "mountpoints-") is not { } id)
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
