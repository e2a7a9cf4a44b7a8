using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Procfs;

namespace PSCrac.Staging;

/// <summary>
/// A parent-death signal (PR_SET_PDEATHSIG) of a tree's root. criu is the parent of the root that it restores and ends when the tree
/// runs, so that the root gets the signal at once.
/// </summary>
internal static class ParentDeath
{
    /// <summary>What a restore of a staged image needs because of such a signal, as a sentence; null if the root has none.</summary>
    internal static string? Describe(ImageStaging staging, ProcessTreeMember root)
    {
        List<(string FileName, int Signal)> found = ParentDeathSignal.Find(
            new DirectoryImageSource(staging.Folder), root.ThreadIds.Select(static id => ProcessStatus.TryRead(id)?.InnermostProcessId ?? id));
        return found.Count == 0
            ? null
            : $"The process gets signal {found[0].Signal} when its parent ends (PR_SET_PDEATHSIG). A restore needs -Wait or -PidNamespace New, with which its parent stays.";
    }
}
