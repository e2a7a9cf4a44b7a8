using System.Collections.Frozen;

namespace PSCrac.Procfs;

/// <summary>One mount, a line of /proc/PID/mountinfo (proc(5)).</summary>
/// <param name="Id">The mount's number, unique among all mounts at a time.</param>
/// <param name="ParentId">The mount it lies on.</param>
/// <param name="Device">The filesystem's device number.</param>
/// <param name="Root">The directory of the filesystem that is mounted.</param>
/// <param name="Point">Where it is mounted, seen from the process's root.</param>
/// <param name="FileSystem">The filesystem's type, such as ext4.</param>
/// <param name="Source">What was mounted, as the filesystem tells it; often a device.</param>
/// <param name="IsReadOnly">Whether this mount is read-only.</param>
internal sealed record MountPoint(
    int Id, int ParentId, DeviceNumber Device, string Root, string Point, string FileSystem, string Source, bool IsReadOnly);

/// <summary>The mounts that a process sees.</summary>
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

    /// <summary>The mount with this number; null when the process cannot see it.</summary>
    internal MountPoint? Find(int id) => _byId.GetValueOrDefault(id);

    /// <summary>The mount a path lies on: the one latest mounted at the longest part of the path.</summary>
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

    /// <summary>Whether another mount lies exactly on this one, so that nothing in it has a path any more.</summary>
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

    /// <summary>Reads the mounts that an opened process sees; null when it is gone or may not be looked into.</summary>
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
