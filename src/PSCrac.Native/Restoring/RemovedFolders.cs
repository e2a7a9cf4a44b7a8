using System.Globalization;
using PSCrac.Images.Model;

namespace PSCrac.Restoring;

/// <summary>
/// Folders that were removed while they were open or were a working folder. criu recreates such a folder at its path and removes it
/// when the tree has it open (open_remap_ghost and clean_one_remap in criu's files-reg.c). Where there is a folder again at the path, criu
/// would take it for its own: it would remove an empty one, and fail with one that has content. Then the recreated folder gets another
/// path, which only the target of the link in /proc/PID/fd shows.
/// </summary>
internal static class RemovedFolders
{
    /// <summary>The removed folders of an image whose paths exist now: the open file, its path, and a free path beside it.</summary>
    internal static IEnumerable<(uint Id, string FreePath)> FindPresent(CracImage image)
    {
        // With mounts in the image, its paths are not paths of this mount namespace.
        if (!image.Source.Contains(RemapTable.FileName) || image.Namespaces.Any(static each => each.Kind == "mnt" && !each.IsHost))
        {
            yield break;
        }

        foreach (Remap remap in RemapTable.Read(image.Source))
        {
            string path = "/" + image.OpenFiles.PathOf(remap.FileId).TrimStart('/');
            if (Path.Exists(path) && RemapTable.IsFolder(image.Source, remap))
            {
                yield return (remap.FileId, FindFree(path, remap.Id));
            }
        }
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
