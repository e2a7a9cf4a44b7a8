using PSCrac.Images.Manifest;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>Sets, before a restored tree runs, the attributes of its threads that criu does not restore.</summary>
internal static class RestoredAttributes
{
    /// <summary>Sets the attributes that the image's manifest records.</summary>
    /// <param name="image">The image.</param>
    /// <param name="root">The restored root's id here; null if it has ended.</param>
    /// <returns>What could not be set, a sentence for each thread.</returns>
    internal static IEnumerable<string> Apply(CracImage image, int? root)
    {
        if (root is not { } id || image.Manifest is not { Process.Threads: { Count: > 0 } recorded })
        {
            yield break;
        }

        Dictionary<int, int> here = FindThreads(id);
        foreach (ImageManifestThread thread in recorded)
        {
            if (here.TryGetValue(thread.Id, out int restored) && ThreadAttributes.Apply(thread, restored) is { Count: > 0 } failed)
            {
                yield return $"Thread {thread.Id} did not get back its {string.Join(", ", failed)}.";
            }
        }
    }

    /// <summary>The threads of a restored tree here, by their ids in the image, which are those of the innermost namespace.</summary>
    internal static Dictionary<int, int> FindThreads(int root)
    {
        var threads = new Dictionary<int, int>();
        try
        {
            foreach (ProcessTreeMember member in ProcessTree.Read(root).Members)
            {
                foreach (int id in member.ThreadIds)
                {
                    threads[ProcessStatus.TryRead(id)?.InnermostProcessId ?? id] = id;
                }
            }
        }
        catch (CracException e) when (e.Reason == CracReason.ProcessNotFound)
        {
            // It has ended; criu reports that.
        }

        return threads;
    }
}
