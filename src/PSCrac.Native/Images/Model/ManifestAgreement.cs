namespace PSCrac.Images.Model;

/// <summary>
/// Holds what a manifest says of the tree against criu's own files: a restore restores what is in those, whatever the manifest says.
/// </summary>
internal static class ManifestAgreement
{
    /// <summary>What in a manifest contradicts criu's files, as the rest of a sentence that begins with the manifest's name; empty if nothing does.</summary>
    /// <param name="image">The image.</param>
    /// <exception cref="CracException">criu's files are damaged.</exception>
    internal static IEnumerable<string> FindContradictions(CracImage image)
    {
        if (image.Manifest is not { } manifest)
        {
            yield break;
        }

        if (manifest.Process.RootPid != image.Processes[0].ProcessId)
        {
            yield return $"says that the root is process {manifest.Process.RootPid}, and pstree.img that it is process {image.Processes[0].ProcessId}";
        }

        if (manifest.Process.ProcessCount != image.Processes.Count)
        {
            yield return $"says that there are {manifest.Process.ProcessCount} processes, and pstree.img that there are {image.Processes.Count}";
        }

        if (manifest.Process.ThreadCount != image.ThreadIds.Count)
        {
            yield return $"says that there are {manifest.Process.ThreadCount} threads, and pstree.img that there are {image.ThreadIds.Count}";
        }

        if (manifest.OneShot != image.HasHelperLinks)
        {
            yield return image.HasHelperLinks
                ? "says that the image can be restored more than once, and remap-fpath.img has helper links, which a restore consumes"
                : "says that the image can be restored only once, and remap-fpath.img has no helper links";
        }
    }
}
