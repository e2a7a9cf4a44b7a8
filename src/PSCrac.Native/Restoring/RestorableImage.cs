using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Manifest;
using PSCrac.Interop;

namespace PSCrac.Restoring;

/// <summary>What an image must be before criu is given it: this restore's alone, where it can be restored once, and whole.</summary>
internal static class RestorableImage
{
    // Two at once would both find the helper links, and one would use them up under the other. The lock goes with the handle.
    internal static void RequireSole(CracImage image, SafeFileHandle directory)
    {
        if (image.IsOneShot && LibC.TryLock(directory) == Errno.EAGAIN)
        {
            throw new CracException(
                CracReason.ImageConsumed,
                $"The image {image.Path} is being restored by another session, and it can be restored once.",
                "Make a checkpoint for each restore that is wanted.");
        }
    }

    // Looked at before criu starts, which crashes where files are missing, and reads on for ever where pages are.
    internal static void RequireComplete(CracImage image)
    {
        if (image.Manifest is not { } manifest)
        {
            if (!image.IsRestorable(out string? missing))
            {
                throw Damaged(image, CracReason.ImageIncomplete, missing, "is missing or cut short");
            }

            return;
        }

        var found = new Dictionary<string, ImageManifestFile>(StringComparer.Ordinal);
        foreach (ImageManifestFile file in ImageManifest.Describe(image.Path))
        {
            found[file.Name] = file;
        }

        foreach (ImageManifestFile expected in manifest.Files)
        {
            found.Remove(expected.Name, out ImageManifestFile? file);
            (CracReason reason, string what)? damage = file is null ? (CracReason.ImageIncomplete, "is missing")
                : file.Size != expected.Size ? (CracReason.ImageIncomplete, $"has {file.Size} bytes where {expected.Size} were written")
                : expected.Sha256 is not null && file.Sha256 != expected.Sha256 ? (CracReason.ImageCorrupt, "does not hold what was written")
                : null;
            if (damage is var (reason, what))
            {
                throw Damaged(image, reason, expected.Name, what);
            }
        }

        // criu looks for its files by their names, and would take one in that was never part of the image.
        if (found.Keys.FirstOrDefault(static name => name.EndsWith(".img", StringComparison.Ordinal)) is { } added)
        {
            throw Damaged(image, CracReason.ImageCorrupt, added, "was added after it had been made", $"Remove it: Remove-Item -LiteralPath '{System.IO.Path.Combine(image.Path, added)}'");
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
