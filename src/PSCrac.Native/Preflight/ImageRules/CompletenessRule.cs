using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Whether the image's files are all there, and hold what they held when it was sealed.</summary>
internal sealed class CompletenessRule : ImageRule
{
    private const string RecommendedAction = "Copy the image again with all of its files, or make a new one with Invoke-CracCheckpoint.";

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

    // A damaged file, or one that is not what it was, is one cause, whatever of it is noticed; so are all files that are missing.
    private static FindingCause? CauseOf(CracImageFinding finding) => finding.FileName is not { } name ? null : finding.Kind switch
    {
        ImageFindingKind.MissingFile => new("image files that are missing", name) { Why = "They are not there, and a restore needs them." },
        ImageFindingKind.OtherSize => new("image files of another size", name) { Why = "They do not have as many bytes as were written." },
        ImageFindingKind.OtherContent => new("image files that have changed", name) { Why = "They are not what they were when the checkpoint was taken: their SHA-256 is another." },
        ImageFindingKind.Unreadable => new("image files that are damaged", name) { Why = $"They cannot be read, the first because: {finding.Message}" },
        _ => new($"entries of {name} that are missing or do not fit", finding.Entry ?? "the file") { Why = $"The files of the image do not fit together, first: {finding.Message}", TellsProcess = false },
    };

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
                subject.Block(null, $"image file {file.Name}", CracReason.ImageCorrupt, "It was added after the image had been made.", Remove([file.Name]),
                    new("image files that were added", file.Name) { Why = "They were added after the image had been made.", Action = Remove });
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
                    ? new("image files of another size", sealedFile.Name, $"{length} bytes, were {sealedFile.Size}") { Why = "They do not have as many bytes as were written." }
                    : new("image files that are missing", sealedFile.Name) { Why = "They are not there." };
                string why = lengths.ContainsKey(sealedFile.Name) ? $"It has {length} bytes, where {sealedFile.Size} were written." : "It is not there.";
                subject.DamagedFiles.Add(sealedFile.Name);
                subject.Block(null, $"image file {sealedFile.Name}", CracReason.ImageIncomplete, why, RecommendedAction, cause);
            }
        }

        // Without a manifest, or where it does not list the file.
        if (subject.Findings.Count == before && !subject.Image.IsRestorable(out string? missing))
        {
            subject.DamagedFiles.Add(missing);
            string why = lengths.TryGetValue(missing, out long length)
                ? $"It has {length} bytes, where its pagemap counts {CountPages(subject.Image, missing)}."
                : "It is not there, and a restore needs it.";
            subject.Block(null, $"image file {missing}", CracReason.ImageIncomplete, why, RecommendedAction);
        }
    }

    private static long CountPages(CracImage image, string file)
    {
        foreach (CracImageProcess process in image.Processes)
        {
            if (process.Pages is { } pages && pages.PagesFile == file)
            {
                return pages.PresentBytes;
            }
        }

        return 0;
    }
}
