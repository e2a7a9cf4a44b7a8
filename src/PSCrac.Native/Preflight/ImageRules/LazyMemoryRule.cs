using System.Globalization;
using PSCrac.Preflight.Subjects;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// Before criu 4.3 a lazy restore maps every private area as writable before it moves it to its address (premap_priv_vmas in
/// criu's mem.c), including memory that a program only reserved. The kernel refuses an area larger than all memory and swap, unless it is
/// set to overcommit always (Documentation/mm/overcommit-accounting.rst).
/// </summary>
internal sealed class LazyMemoryRule : ImageRule
{
    /// <summary>Why it cannot be restored.</summary>
    internal const string Why = "A lazy restore maps reserved memory as if it were in use, and the kernel does not overcommit by that much.";

    private const string Overcommit = "/proc/sys/vm/overcommit_memory";
    private const uint NoReserve = 0x4000; // MAP_NORESERVE

    private static readonly Version s_withReservations = new(4, 3);

    internal override void Examine(ImageSubject subject)
    {
        if (!subject.Options.LazyPages || FindLimit(subject.Options.CriuVersion) is not { } totalMemory)
        {
            return;
        }

        foreach (CracImageProcess process in subject.Image.Processes)
        {
            foreach (CracImageMemoryArea area in process.MemoryAreas)
            {
                if (!area.IsShared && area.Size > totalMemory && (area.Area.Flags & NoReserve) == 0)
                {
                    subject.Block(
                        process.ProcessId,
                        Describe(area.Size, area.Start, totalMemory),
                        CracReason.ResourceUnsupported,
                        Why,
                        "Leave out -LazyPages, or let the kernel overcommit memory: sysctl vm.overcommit_memory=1.",
                        new($"processes with an area that is larger than this machine's memory of {totalMemory >> 30} GiB", Place: $"{area.Size >> 30} GiB"));
                    break;
                }
            }
        }
    }

    /// <summary>The size that no private area may exceed unless its memory is not counted (MAP_NORESERVE), in bytes; null for no limit.</summary>
    /// <param name="criu">The criu that restores; null if that is not known.</param>
    internal static long? FindLimit(Version? criu) =>
        criu >= s_withReservations || File.ReadAllText(Overcommit).Trim() == "1" ? null : ReadTotalMemory();

    /// <summary>An area above the limit.</summary>
    internal static string Describe(long size, ulong start, long limit) =>
        string.Create(CultureInfo.InvariantCulture, $"an area of {size >> 30} GiB at 0x{start:x}, on a machine of {limit >> 30} GiB");

    // Lines such as "MemTotal:       24576 kB".
    private static long ReadTotalMemory()
    {
        long sum = 0;
        foreach (string line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith("MemTotal:", StringComparison.Ordinal) || line.StartsWith("SwapTotal:", StringComparison.Ordinal))
            {
                sum += long.Parse(line.AsSpan(line.IndexOf(':') + 1).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture) << 10;
            }
        }

        return sum;
    }
}
