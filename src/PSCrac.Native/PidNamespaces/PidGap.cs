using System.Globalization;

namespace PSCrac.PidNamespaces;

/// <summary>Where in a new pid namespace ids can be given out without meeting those of an image.</summary>
internal static class PidGap
{
    // criu starts some dozens of helpers, and asks the kernel about its features by starting more.
    private const int Wanted = 2000;

    /// <summary>After the highest id the kernel goes on from here (RESERVED_PIDS in its pid.c).</summary>
    internal const int First = 300;

    /// <summary>The id after which there is room, or at least the most there is.</summary>
    internal static int FindStart(IReadOnlyList<int> ids) => FindStart(ids, MaximumId());

    internal static int FindStart(IReadOnlyList<int> ids, int maximum)
    {
        int[] ordered = [First, .. ids.Where(static id => id > First).Order(), maximum];
        int best = First;
        int room = 0;
        for (int i = 1; i < ordered.Length && room < Wanted; i++)
        {
            int here = ordered[i] - ordered[i - 1] - 1;
            if (here > room)
            {
                room = here;
                best = ordered[i - 1];
            }
        }

        return best;
    }

    private static int MaximumId() =>
        int.TryParse(File.ReadAllText("/proc/sys/kernel/pid_max"), NumberStyles.Integer, CultureInfo.InvariantCulture, out int maximum) ? maximum : 32768;
}
