using PSCrac.Paging;

namespace PSCrac.Moving;

/// <summary>What of a pages file is sent before the process is restored with lazy pages. Both sides find it out by themselves.</summary>
internal static class MoveImageLayout
{
    /// <summary>The parts of a file that are sent first, as first offset and end, in order.</summary>
    /// <param name="lazy">The pages that are sent later; null for none.</param>
    /// <param name="size">The file's size.</param>
    internal static IEnumerable<(long Start, long End)> FindEager(LazyPagesFile? lazy, long size)
    {
        long at = 0;
        foreach (LazyRun run in lazy?.Runs ?? [])
        {
            long start = Math.Min(size, run.Page * Environment.SystemPageSize);
            if (start > at)
            {
                yield return (at, start);
            }

            at = Math.Max(at, Math.Min(size, (run.Page + run.Count) * Environment.SystemPageSize));
        }

        if (size > at)
        {
            yield return (at, size);
        }
    }
}
