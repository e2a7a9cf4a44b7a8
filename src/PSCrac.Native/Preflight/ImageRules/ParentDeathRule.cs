using PSCrac.Images.Model;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// A parent-death signal (PR_SET_PDEATHSIG) of the root: its parent is criu, which ends when the tree runs (criu's cr-restore.c warns
/// of it in its log). It needs a parent that stays.
/// </summary>
internal sealed class ParentDeathRule : ImageRule
{
    internal override void Examine(ImageSubject subject)
    {
        if (subject.Options.AsChild || subject.Options.NewPidNamespace || FindInRoot(subject.Image) is not [var (_, signal), ..])
        {
            return;
        }

        // A tree with the first process of its pid namespace cannot get another namespace.
        bool hasNamespace = subject.Image.ProcessIds.Contains(1);
        subject.Block(
            subject.Image.RootProcessId,
            $"signal {signal} when the parent ends (PR_SET_PDEATHSIG)",
            CracReason.ResourceUnsupported,
            "The parent of a restored root is criu, which ends when the tree runs: the root would get the signal at once.",
            hasNamespace
                ? "Give Restore-CracProcess -Wait, which makes this session its parent."
                : "Give Restore-CracProcess -Wait, which makes this session its parent, or -PidNamespace New, whose first process is its parent.");
    }

    /// <summary>The core files of the root's threads that have such a signal, and the signals.</summary>
    internal static List<(string FileName, int Signal)> FindInRoot(CracImage image) =>
        ParentDeathSignal.Find(image.Source, image.Processes[0].ThreadIds);
}
