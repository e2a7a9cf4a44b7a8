using PSCrac.Images.Manifest;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>Checks an image before criu reads it: that it is complete and, where it can be restored only once, that no other restore uses it.</summary>
internal static class RestorableImage
{
    // The folder whose owner was checked must be the one that the image was opened from.
    internal static void RequireSameFolder(CracImage image, FolderHandle directory)
    {
        if (image.Source is DirectoryImageSource source
            && !(directory.TryGetStatus(out FileStatus status) && source.IsSameFolder(status)))
        {
            throw ImageFault.Exchanged(image.Path);
        }
    }

    // Of two restores at the same time, one would use up the helper links that the other needs. An image that was unpacked for a restore is
    // kept as long as somebody has a lock on it. Closing the handle releases the lock; a page daemon has a copy of it.
    internal static void Lock(CracImage image, FolderHandle directory)
    {
        Errno errno = image.IsOneShot ? LibC.TryLock(directory.Handle) : LibC.TryLockShared(directory.Handle);
        if (image.IsOneShot && errno == Errno.EAGAIN)
        {
            throw new CracException(
                CracReason.ImageConsumed,
                $"The image {image.Path} is being restored by another session, and it can be restored only once.",
                "Take one checkpoint for each restore.");
        }
    }

    // Checked before criu restores: it crashes where files are missing, and loops forever where pages are missing.
    internal static void RequireComplete(CracImage image, FolderHandle directory)
    {
        if (image.Manifest is not { } manifest)
        {
            if (!image.IsRestorable(out string? missing))
            {
                throw Damaged(image, CracReason.ImageIncomplete, missing, "is missing or cut short");
            }

            return;
        }

        // Pages and other large files are not hashed here, though a signed image has their hashes: the owner of the folder is trusted.
        // criu finds its files by name, and would use one that was never part of the image.
        if (ManifestDamage.Find(manifest, ImageManifest.Describe(directory), static name => !name.EndsWith(".img", StringComparison.Ordinal)) is { } damage)
        {
            throw Damaged(image, damage.Reason, damage.FileName, damage.What, damage.IsAdded ? $"Remove it: Remove-Item -LiteralPath '{System.IO.Path.Combine(image.Path, damage.FileName)}'" : null);
        }

        RequireAgreement(image);
    }

    /// <summary>A sentence if nothing tells whether the image's files are those of its checkpoint.</summary>
    internal static IEnumerable<string> DescribeUnchecked(CracImage image) => image.Manifest is not null
        ? []
        : [$"The image {image.Path} has no {ImageManifest.FileName}, so its files could not be compared with those of the checkpoint. criu and JVMs write none; if PSCrac took the checkpoint, the file was removed."];

    // The caller is told of the root by its id, and may end it by that.
    internal static void RequireAgreement(CracImage image)
    {
        if (ManifestAgreement.FindContradictions(image).FirstOrDefault() is { } contradiction)
        {
            throw Damaged(image, CracReason.ImageCorrupt, ImageManifest.FileName, contradiction);
        }
    }

    private static CracException Damaged(CracImage image, CracReason reason, string file, string what, string? recommendedAction = null) => new(
        reason,
        $"The image {image.Path} is damaged: its file {file} {what}.",
        recommendedAction ?? "Copy the image again with all of its files, or make a new one with Invoke-CracCheckpoint.")
    {
        FileName = file,
    };
}
