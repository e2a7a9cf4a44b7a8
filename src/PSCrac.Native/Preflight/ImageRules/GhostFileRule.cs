using PSCrac.Interop;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// Files that had no name at the checkpoint: criu creates them, or removes their helper links, in their folders (criu's
/// files-reg.c), which must be writable.
/// </summary>
internal sealed class GhostFileRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        // With mounts in the image, its paths are not paths of this mount namespace.
        if (subject.HoldsNamespace("mnt"))
        {
            return;
        }

        foreach ((uint original, (string type, _)) in subject.Remaps)
        {
            if (type is not ("GHOST" or "LINKED") || subject.Options.UnopenedFiles.Contains(original))
            {
                continue;
            }

            string path = FilePresenceRule.ToAbsolutePath(subject.Image.OpenFiles.PathOf(original));
            if (FindFolder(path) is { } folder && LibC.IsReadOnly(folder))
            {
                subject.Block(
                    null,
                    $"{path}, which was unlinked",
                    CracReason.FileUnlinked,
                    $"The restore creates a name for the file for a moment, and {folder} is on a read-only file system.",
                    $"Make it writable for the restore: mount -o remount,rw $(findmnt -n -o TARGET -T {folder})",
                    new("unlinked files on read-only file systems", path)
                    {
                        Why = "The restore creates names for the files for a moment, which a read-only file system refuses.",
                        Action = static _ => "Make the file systems writable for the restore: mount -o remount,rw",
                    });
            }
        }
    }

    // criu uses the nearest folder above that exists.
    private static string? FindFolder(string path)
    {
        string? folder = Path.GetDirectoryName(path);
        while (folder is not null && !Directory.Exists(folder))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder;
    }
}
