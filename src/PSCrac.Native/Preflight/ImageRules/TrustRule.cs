using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Whether someone else could have written the image that the restore will run.</summary>
internal sealed class TrustRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        // An archive is never restored, which has its own finding.
        if (subject.Options.SkipTrustCheck || subject.Image.IsArchive)
        {
            return;
        }

        using ImageTrust trust = ImageTrust.Examine(subject.Image.Path);
        subject.Findings.AddRange(trust.Findings);
    }
}
