using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>The first restore of a link-remap image removes its helper links (criu's files-reg.c).</summary>
internal sealed class OneShotRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        // With mounts in the image, its paths are not paths of this mount namespace.
        if (subject.HoldsNamespace("mnt"))
        {
            return;
        }

        foreach ((uint original, (string type, uint link)) in subject.Remaps)
        {
            if (type != "LINKED")
            {
                continue;
            }

            string helper = FilePresenceRule.ToAbsolutePath(subject.Image.OpenFiles.PathOf(link));
            string path = FilePresenceRule.ToAbsolutePath(subject.Image.OpenFiles.PathOf(original));
            if (!File.Exists(helper))
            {
                subject.Block(
                    null,
                    $"{helper}, the helper link of {path}",
                    CracReason.ImageConsumed,
                    "The image could be restored only once: its first restore used the link, or someone removed it.",
                    "Make a new checkpoint. To restore an image more than once, let the program close files that were unlinked but have another name.",
                    new("missing helper links", helper)
                    {
                        Why = "The image could be restored only once: its first restore used the links, or someone removed them.",
                    });
            }
            else
            {
                subject.Note(
                    null,
                    $"{helper}, the helper link of {path}",
                    CracReason.FileUnlinked,
                    "The restore removes it: this image can be restored only once.",
                    cause: new("helper links", helper) { Why = "The restore removes them: this image can be restored only once." });
            }
        }
    }
}
