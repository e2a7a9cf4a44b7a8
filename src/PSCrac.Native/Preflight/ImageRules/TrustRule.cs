using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>Whether someone else could have written the image that the restore will run.</summary>
internal sealed class TrustRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        // A signature that is required gives trust to an archive, which is verified while it is unpacked.
        if (subject.Options.SkipTrustCheck || (subject.Image.IsArchive && subject.Options.RequireSignature))
        {
            return;
        }

        using ImageTrust trust = subject.Image.IsArchive ? ImageTrust.ExamineFile(subject.Image.Path) : ImageTrust.Examine(subject.Image.Path);
        subject.Findings.AddRange(trust.Findings);
    }
}
