using System.Globalization;

namespace PSCrac.PidNamespaces;

/// <summary>Finds a range of ids in a new pid namespace that does not contain ids of an image.</summary>
internal static class PidGap
{
    // criu starts several dozen helpers, and more to check features of the kernel.
    private const int SufficientRoom = 2000;

    /// <summary>After the highest id, the kernel continues with this one (RESERVED_PIDS in kernel/pid.c).</summary>
    internal const int First = 300;

    /// <summary>The id after which there is enough room, or else the most room.</summary>
    internal static int FindStart(IReadOnlyList<int> ids) => FindStart(ids, MaximumId());

    internal static int FindStart(IReadOnlyList<int> ids, int maximum)
    {
        int[] ordered = [First, .. ids.Where(static id => id > First).Order(), maximum];
        int best = First;
        int room = 0;
        for (int i = 1; i < ordered.Length && room < SufficientRoom; i++)
        {
            int gap = ordered[i] - ordered[i - 1] - 1;
            if (gap > room)
            {
                room = gap;
                best = ordered[i - 1];
            }
        }

        return best;
    }

    private static int MaximumId() =>
        int.TryParse(File.ReadAllText("/proc/sys/kernel/pid_max"), NumberStyles.Integer, CultureInfo.InvariantCulture, out int maximum) ? maximum : 32768;
}
