using PSCrac.Images.Format;

namespace PSCrac.Images.Model;

/// <summary>Finds the terminals of an image that are external to the tree, so that the restore must provide them.</summary>
internal static class ExternalTerminals
{
    // Documentation/admin-guide/devices.txt of the kernel: /dev/tty and /dev/ptmx, and the slaves of pseudo-terminals.
    private const uint AuxiliaryMajor = 5;
    private const uint OwnTerminalMinor = 0;
    private const uint MasterMinor = 2;
    private const uint FirstSlaveMajor = 136;
    private const uint LastSlaveMajor = 143;

    /// <summary>The ids of open files that are terminals without a master in the tree and, if there are any, of open files of /dev/tty.</summary>
    internal static IReadOnlyList<uint> Find(CracImage image)
    {
        var files = new List<(uint Id, uint Info)>();
        foreach (CracImageRecord file in image.OpenFiles.All)
        {
            if (file.GetRecord("tty") is { } terminal)
            {
                files.Add(((uint)file.GetNumber("id"), (uint)terminal.GetNumber("tty_info_id")));
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
            infos[(uint)info.GetNumber("id")] = info;
            if (Device(info) == (AuxiliaryMajor, MasterMinor) && info.GetRecord("pty") is { } pair)
            {
                mastered.Add(pair.GetNumber("index"));
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
            if (major is >= FirstSlaveMajor and <= LastSlaveMajor && info.GetRecord("pty") is { } pair && !mastered.Contains(pair.GetNumber("index")))
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

    // The kernel's 32-bit encoding of a device number (new_encode_dev).
    private static (uint Major, uint Minor) Device(CracImageRecord info)
    {
        uint number = (uint)info.GetNumber("rdev");
        return ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
    }
}
