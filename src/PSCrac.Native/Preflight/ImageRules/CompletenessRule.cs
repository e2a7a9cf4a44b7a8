using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Model;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Whether the image's files are complete, and have the content they had when the image was sealed.</summary>
internal sealed class CompletenessRule : ImageRule
{
    private const string RecommendedAction = "Copy the image again with all of its files, or make a new one with Invoke-CracCheckpoint.";

    internal override void Examine(ImageSubject subject)
    {
        if (subject.Image.Container is { } container)
        {
            subject.Block(
                null,
                "a container's archive",
                CracReason.NotAnImage,
                "The container's root file system, mounts and network are not in the image, and only the container engine can make them.",
                container.RestoreCommand(subject.Image.Path));
        }

        ExamineAdded(subject);
        if (subject.Options.Full)
        {
            ExamineContent(subject);
        }
        else
        {
            ExamineSizes(subject);
        }

        // What a damaged file would say of the manifest is not worth telling.
        if (subject.DamagedFiles.Count == 0)
        {
            ExamineAgreement(subject);
        }
    }

    private static void ExamineContent(ImageSubject subject)
    {
        foreach (CracImageFinding finding in ImageCheck.Run(subject.Image, subject.Options.Cancellation))
        {
            subject.DamagedFiles.Add(finding.FileName ?? string.Empty);
            subject.Block(
                finding.ProcessId,
                finding.FileName is null ? "the image" : $"image file {finding.FileName}",
                finding.Reason,
                finding.Message,
                RecommendedAction,
                CauseOf(finding));
        }
    }

    // Each kind of damage is one cause for all files; inconsistent entries are one cause for each file.
    private static FindingCause? CauseOf(CracImageFinding finding) => finding.FileName is not { } name ? null : finding.Kind switch
    {
        ImageFindingKind.MissingFile => new("image files that are missing", name) { Why = "They are missing, and a restore needs them." },
        ImageFindingKind.OtherSize => new("image files of another size", name) { Why = "Their sizes differ from those recorded at the checkpoint." },
        ImageFindingKind.OtherContent => new("image files that have changed", name) { Why = "They have changed since the checkpoint: their SHA-256 hashes differ." },
        ImageFindingKind.Unreadable => new("image files that are damaged", name) { Why = $"They cannot be read. The first error: {finding.Message}" },
        _ => new($"entries of {name} that are missing or inconsistent", finding.Entry ?? "the file") { Why = $"The files of the image are inconsistent. The first error: {finding.Message}", NamesProcess = false },
    };

    private static void ExamineAgreement(ImageSubject subject)
    {
        foreach (string contradiction in ManifestAgreement.FindContradictions(subject.Image))
        {
            subject.Block(
                null, $"image file {ImageManifest.FileName}", CracReason.ImageCorrupt, $"It {contradiction}.", RecommendedAction,
                new("what the manifest says", contradiction) { Why = "The manifest contradicts criu's files." });
        }
    }

    private static void ExamineAdded(ImageSubject subject)
    {
        if (subject.Image.Manifest is not { Files.Count: > 0 } manifest)
        {
            return;
        }

        string Remove(IReadOnlyList<string> names) =>
            $"Remove what was added: Remove-Item -LiteralPath {string.Join(", ", names.Select(name => $"'{Path.Combine(subject.Image.Path, name)}'"))}";

        HashSet<string> known = [.. manifest.Files.Select(static file => file.Name)];
        foreach (ImageFileInfo file in subject.Image.Source.Files)
        {
            if (file.Name.EndsWith(".img", StringComparison.Ordinal) && !known.Contains(file.Name))
            {
                subject.DamagedFiles.Add(file.Name);
                subject.Block(null, $"image file {file.Name}", CracReason.ImageCorrupt, "It was added after the image was made.", Remove([file.Name]),
                    new("image files that were added", file.Name) { Why = "They were added after the image was made.", Action = Remove });
            }
        }
    }

    private static void ExamineSizes(ImageSubject subject)
    {
        int before = subject.Findings.Count;
        var lengths = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (ImageFileInfo file in subject.Image.Source.Files)
        {
            lengths[file.Name] = file.Length;
        }

        foreach (ImageManifestFile sealedFile in subject.Image.Manifest?.Files ?? [])
        {
            if (!lengths.TryGetValue(sealedFile.Name, out long length) || length != sealedFile.Size)
            {
                FindingCause cause = lengths.ContainsKey(sealedFile.Name)
                    ? new("image files of another size", sealedFile.Name, $"{length} bytes, were {sealedFile.Size}") { Why = "Their sizes differ from those recorded at the checkpoint." }
                    : new("image files that are missing", sealedFile.Name) { Why = "They are missing." };
                string why = lengths.ContainsKey(sealedFile.Name) ? $"It has {length} bytes, but {sealedFile.Size} were written." : "It is missing.";
                subject.DamagedFiles.Add(sealedFile.Name);
                subject.Block(null, $"image file {sealedFile.Name}", CracReason.ImageIncomplete, why, RecommendedAction, cause);
            }
        }

        // Without a manifest, or if it does not list the file.
        if (subject.Findings.Count == before && !subject.Image.IsRestorable(out string? missing))
        {
            subject.DamagedFiles.Add(missing);
            string why = lengths.TryGetValue(missing, out long length)
                ? $"It has {length} bytes, but its pagemap counts {CountPages(subject.Image, missing)}."
                : "It is missing, and a restore needs it.";
            subject.Block(null, $"image file {missing}", CracReason.ImageIncomplete, why, RecommendedAction);
        }
    }

    private static long CountPages(CracImage image, string file)
    {
        foreach (CracImageProcess process in image.Processes)
        {
            if (process.Pages is { } pages && pages.PagesFile == file)
            {
                return pages.StoredBytes;
            }
        }

        return 0;
    }
}
