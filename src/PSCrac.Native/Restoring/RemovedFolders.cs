using System.Globalization;
using PSCrac.Images.Format;

namespace PSCrac.Restoring;

/// <summary>
/// Folders that were removed while they were open or were a working folder. criu recreates such a folder at its path and removes it
/// when the tree has it open (open_remap_ghost and clean_one_remap in criu's files-reg.c). Where there is a folder again at the path, criu
/// would take it for its own: it would remove an empty one, and fail with one that has content. Then the recreated folder gets another
/// path, which only the target of the link in /proc/PID/fd shows.
/// </summary>
internal static class RemovedFolders
{
    private const uint FileTypeMask = 0xf000;
    private const uint Folder = 0x4000;
    private const string RemapTable = "remap-fpath.img";

    /// <summary>The removed folders of an image whose paths exist now: the open file, its path, and a free path beside it.</summary>
    internal static IEnumerable<(uint Id, string FreePath)> FindPresent(CracImage image)
    {
        // With mounts in the image, its paths are not paths of this mount namespace.
        if (!image.Source.Contains(RemapTable) || image.Namespaces.Any(static each => each.Kind == "mnt" && !each.IsHost))
        {
            yield break;
        }

        foreach (CracImageRecord remap in image.Source.ReadRecords(RemapTable, ImageType.RemapFpath))
        {
            uint id = (uint)remap.GetNumber("orig_id");
            string path = "/" + image.OpenFiles.PathOf(id).TrimStart('/');
            if (remap.GetText("remap_type") == "GHOST" && Path.Exists(path) && IsFolder(image, (uint)remap.GetNumber("remap_id")))
            {
                yield return (id, FindFree(path, (uint)remap.GetNumber("remap_id")));
            }
        }
    }

    private static bool IsFolder(CracImage image, uint ghost)
    {
        foreach (CracImageRecord file in image.Source.ReadRecords(string.Create(CultureInfo.InvariantCulture, $"ghost-file-{ghost:x}.img"), ImageType.GhostFile))
        {
            return ((uint)file.GetNumber("mode") & FileTypeMask) == Folder;
        }

        return false;
    }

    private static string FindFree(string path, uint ghost)
    {
        // The form of criu's own names for removed files (ghost_path in files-reg.c).
        string free = string.Create(CultureInfo.InvariantCulture, $"{path}.cr.{ghost:x}.ghost");
        for (int number = 1; Path.Exists(free); number++)
        {
            free = string.Create(CultureInfo.InvariantCulture, $"{path}.cr.{ghost:x}-{number}.ghost");
        }

        return free;
    }
}
