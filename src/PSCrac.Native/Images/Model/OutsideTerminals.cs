using PSCrac.Images.Format;

namespace PSCrac.Images.Model;

/// <summary>Which of an image's terminals come from outside the tree, and so must be given to it again by the restore.</summary>
internal static class OutsideTerminals
{
    // Documentation/admin-guide/devices.txt of the kernel: /dev/tty and /dev/ptmx, and the slaves of pseudo-terminals.
    private const uint AuxiliaryMajor = 5;
    private const uint OwnTerminalMinor = 0;
    private const uint MasterMinor = 2;
    private const uint FirstSlaveMajor = 136;
    private const uint LastSlaveMajor = 143;

    /// <summary>The ids of open files that are terminals without a master in the tree, and of /dev/tty where there are such.</summary>
    internal static IReadOnlyList<uint> Find(CracImage image)
    {
        var files = new List<(uint Id, uint Info)>();
        foreach (CracImageRecord file in image.OpenFiles.All)
        {
            if (file.Record("tty") is { } terminal)
            {
                files.Add(((uint)file.Number("id"), (uint)terminal.Number("tty_info_id")));
            }
        }

        if (files.Count == 0)
        {
            return [];
        }

        var infos = new Dictionary<uint, CracImageRecord>();
        var mastered = new HashSet<ulong>();
        foreach (CracImageRecord info in image.Source.ReadRecords("tty-info.img", ImageType.TtyInfo))
        {
            infos[(uint)info.Number("id")] = info;
            if (Device(info) == (AuxiliaryMajor, MasterMinor) && info.Record("pty") is { } pair)
            {
                mastered.Add(pair.Number("index"));
            }
        }

        var slaves = new List<uint>();
        var own = new List<uint>();
        foreach ((uint id, uint infoId) in files)
        {
            if (!infos.TryGetValue(infoId, out CracImageRecord? info))
            {
                continue;
            }

            (uint major, uint minor) = Device(info);
            if (major is >= FirstSlaveMajor and <= LastSlaveMajor && info.Record("pty") is { } pair && !mastered.Contains(pair.Number("index")))
            {
                slaves.Add(id);
            }
            else if ((major, minor) == (AuxiliaryMajor, OwnTerminalMinor))
            {
                own.Add(id);
            }
        }

        return slaves.Count == 0 ? [] : [.. slaves, .. own];
    }

    // The kernel's own encoding of a device number in 32 bits (its new_encode_dev).
    private static (uint Major, uint Minor) Device(CracImageRecord info)
    {
        uint number = (uint)info.Number("rdev");
        return ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
    }
}
