using System.Collections.Frozen;

namespace PSCrac.Procfs;

/// <summary>A mount: a line of /proc/PID/mountinfo (proc(5)).</summary>
/// <param name="Id">The mount id, unique among the current mounts.</param>
/// <param name="ParentId">The id of the parent mount.</param>
/// <param name="Device">The file system's device number.</param>
/// <param name="Root">The directory of the file system that is mounted.</param>
/// <param name="Point">The mount point, relative to the process's root.</param>
/// <param name="FileSystem">The file system type, such as ext4.</param>
/// <param name="Source">The mount source, often a device.</param>
/// <param name="IsReadOnly">Whether this mount is read-only.</param>
internal sealed record MountPoint(
    int Id, int ParentId, DeviceNumber Device, string Root, string Point, string FileSystem, string Source, bool IsReadOnly);

/// <summary>The mounts that are visible to a process.</summary>
internal sealed class MountTable
{
    private readonly FrozenDictionary<int, MountPoint> _byId;

    private MountTable(List<MountPoint> mounts)
    {
        Mounts = mounts;
        _byId = mounts.ToFrozenDictionary(mount => mount.Id);
    }

    /// <summary>All mounts, in the kernel's order.</summary>
    internal IReadOnlyList<MountPoint> Mounts { get; }

    /// <summary>Finds a mount by id; null if it is not visible to the process.</summary>
    internal MountPoint? Find(int id) => _byId.GetValueOrDefault(id);

    /// <summary>Finds the mount of a path: the latest mount at the longest matching mount point.</summary>
    internal MountPoint? FindByPath(string path)
    {
        MountPoint? best = null;
        foreach (MountPoint mount in Mounts)
        {
            if (Covers(mount.Point, path) && (best is null || mount.Point.Length >= best.Point.Length))
            {
                best = mount;
            }
        }

        return best;
    }

    /// <summary>Whether another mount covers this one completely, so that its files have no path.</summary>
    internal bool IsCovered(MountPoint mount)
    {
        foreach (MountPoint other in Mounts)
        {
            if (other.ParentId == mount.Id && other.Point == mount.Point && other.Id != mount.Id)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Reads the mounts that are visible to a process; null if it has ended or cannot be read.</summary>
    internal static MountTable? TryRead(ProcessDirectory directory)
    {
        if (!directory.TryRead("mountinfo", out ProcText text, expectedLength: 16384))
        {
            return null;
        }

        using (text)
        {
            return Parse(text.Bytes);
        }
    }

    internal static MountTable Parse(ReadOnlySpan<byte> text)
    {
        var mounts = new List<MountPoint>();
        var lines = new AsciiReader(text);
        while (lines.TryReadLine(out ReadOnlySpan<byte> line))
        {
            // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
            var words = new AsciiReader(line);
            int id = words.ReadInt32();
            int parent = words.ReadInt32();
            DeviceNumber device = ParseDevice(words.ReadWord());
            string root = AsciiReader.Unescape(words.ReadWord());
            string point = AsciiReader.Unescape(words.ReadWord());
            ReadOnlySpan<byte> options = words.ReadWord();
            ReadOnlySpan<byte> optional;
            do
            {
                optional = words.ReadWord();
            }
            while (!optional.IsEmpty && !optional.SequenceEqual("-"u8));

            string fileSystem = AsciiReader.Unescape(words.ReadWord());
            string source = AsciiReader.Unescape(words.ReadWord());
            bool readOnly = options.StartsWith("ro"u8) && (options.Length == 2 || options[2] == ',');
            mounts.Add(new MountPoint(id, parent, device, root, point, fileSystem, source, readOnly));
        }

        return new MountTable(mounts);
    }

    private static DeviceNumber ParseDevice(ReadOnlySpan<byte> word)
    {
        int colon = word.IndexOf((byte)':');
        return colon < 0
            ? default
            : new DeviceNumber((uint)AsciiReader.ParseInt64(word[..colon]), (uint)AsciiReader.ParseInt64(word[(colon + 1)..]));
    }

    private static bool Covers(string point, string path) =>
        point == "/" || (path.StartsWith(point, StringComparison.Ordinal) && (path.Length == point.Length || path[point.Length] == '/'));
}
