using PSCrac.Images;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Whether the image's files are all there, and hold what they held when it was sealed.</summary>
internal sealed class CompletenessRule : ImageRule
{
    private const string Mend = "Copy the image again with all of its files, or make a new one with Invoke-CracCheckpoint.";

    internal override void Examine(ImageSubject subject)
    {
        if (subject.Image.IsArchive)
        {
            subject.Block(
                null,
                "a checkpoint archive",
                CracReason.NotAnImage,
                "A restore reads a folder.",
                "Unpack it with tar -xf and restore its checkpoint folder, or have the container restored: podman container restore --import.");
        }

        ExamineAdded(subject);
        if (!subject.Options.Full)
        {
            ExamineSizes(subject);
            return;
        }

        foreach (CracImageFinding finding in ImageCheck.Run(subject.Image))
        {
            subject.Block(
                finding.ProcessId,
                finding.FileName is null ? "the image" : $"image file {finding.FileName}",
                finding.Reason,
                finding.Message,
                Mend);
        }
    }

    private static void ExamineAdded(ImageSubject subject)
    {
        if (subject.Image.Manifest is not { Files.Count: > 0 } manifest)
        {
            return;
        }

        HashSet<string> known = [.. manifest.Files.Select(static file => file.Name)];
        foreach (ImageFileInfo file in subject.Image.Source.Files)
        {
            if (file.Name.EndsWith(".img", StringComparison.Ordinal) && !known.Contains(file.Name))
            {
                subject.Block(null, $"image file {file.Name}", CracReason.ImageCorrupt, "It was added after the image had been made.", Mend);
            }
        }
    }

    private static void ExamineSizes(ImageSubject subject)
    {
        if (!subject.Image.IsRestorable(out string? missing))
        {
            subject.Block(null, $"image file {missing}", CracReason.ImageIncomplete, "It is not there, and a restore needs it.", Mend);
            return;
        }

        var lengths = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (ImageFileInfo file in subject.Image.Source.Files)
        {
            lengths[file.Name] = file.Length;
        }

        foreach (ImageManifestFile sealedFile in subject.Image.Manifest?.Files ?? [])
        {
            if (!lengths.TryGetValue(sealedFile.Name, out long length) || length != sealedFile.Size)
            {
                string why = lengths.ContainsKey(sealedFile.Name) ? $"It has {length} bytes, where {sealedFile.Size} were written." : "It is not there.";
                subject.Block(null, $"image file {sealedFile.Name}", CracReason.ImageIncomplete, why, Mend);
            }
        }
    }
}
