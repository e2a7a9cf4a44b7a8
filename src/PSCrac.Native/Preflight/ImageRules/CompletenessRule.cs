using PSCrac.Images;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Whether the image's files are all there, and hold what they held when it was sealed.</summary>
internal sealed class CompletenessRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        foreach (CracImageFinding finding in ImageCheck.Run(subject.Image))
        {
            subject.Block(
                finding.ProcessId,
                finding.FileName is null ? "the image" : $"image file {finding.FileName}",
                finding.Reason,
                finding.Message,
                "Copy the image again with all of its files, or make a new one with Invoke-CracCheckpoint.");
        }
    }
}
