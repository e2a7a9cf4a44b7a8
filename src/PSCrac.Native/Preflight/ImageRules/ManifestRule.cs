using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>How much of the image can be compared with what was written at the checkpoint.</summary>
internal sealed class ManifestRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        if (subject.Image.Manifest is { } manifest)
        {
            NoteUnhashed(subject, manifest);
        }
        else if (subject.Image.Container is null)
        {
            subject.Warn(
                null,
                $"no {ImageManifest.FileName}",
                CracReason.ImageIncomplete,
                "The image's files cannot be compared with those of the checkpoint. criu and JVMs write no such file; if PSCrac took the checkpoint, it was removed.",
                "Copy the image again with all of its files, if it had one.");
        }
    }

    private static void NoteUnhashed(ImageSubject subject, ImageManifest manifest)
    {
        ImageManifestFile[] unhashed = [.. manifest.Files.Where(static file => file is { Sha256: null, Size: > 0 })];
        if (unhashed.Length > 0)
        {
            string others = unhashed.Length > 1 ? $" and {unhashed.Length - 1} more" : string.Empty;
            subject.Note(
                null,
                $"no hash of {unhashed[0].Name}{others}",
                CracReason.ImageCorrupt,
                $"The manifest has the sizes of all files, and SHA-256 hashes of all but memory pages and files over {ImageManifest.MaximumHashedSize >> 20} MiB: {unhashed.Sum(static file => file.Size) >> 10} KiB are not compared with what was written.");
        }
    }
}
