using System.Runtime;
using PSCrac.Interop;

namespace PSCrac.Starting.Services;

/// <summary>
/// Gives back the memory that a start or a checkpoint needed, before this process waits, perhaps for days: garbage, and the pages of the
/// program and its libraries. These are in the page cache, and what the wait needs of them is mapped again when it is used.
/// </summary>
internal static class IdleMemory
{
    /// <summary>Gives it back.</summary>
    internal static void GiveBack()
    {
        List<(nuint Start, nuint End)> unchanged = FindUnchanged();
        GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        foreach ((nuint start, nuint end) in unchanged)
        {
            LibC.DropPages(start, end);
        }
    }

    // Private mappings of files that are not writable and of which no page was changed: a changed one, such as by the loader, would be lost.
    private static List<(nuint Start, nuint End)> FindUnchanged()
    {
        var found = new List<(nuint, nuint)>();
        (nuint Start, nuint End)? current = null;
        try
        {
            foreach (string line in File.ReadLines("/proc/self/smaps"))
            {
                // proc(5): 7f3a…-7f3b… r-xp 00000000 08:01 1234 /path, and then a line for each number.
                if (char.IsAsciiHexDigitLower(line[0]))
                {
                    current = ParseFile(line);
                }
                else if (current is { } range && line.StartsWith("Anonymous:", StringComparison.Ordinal))
                {
                    if (line.EndsWith(" 0 kB", StringComparison.Ordinal))
                    {
                        found.Add(range);
                    }

                    current = null;
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A container may hide it: the memory stays.
        }

        return found;
    }

    private static (nuint Start, nuint End)? ParseFile(string line)
    {
        string[] words = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 6 || words[5][0] != '/' || words[1] is not ("r-xp" or "r--p"))
        {
            return null;
        }

        int dash = words[0].IndexOf('-', StringComparison.Ordinal);
        const System.Globalization.NumberStyles Hexadecimal = System.Globalization.NumberStyles.AllowHexSpecifier;
        return nuint.TryParse(words[0].AsSpan(0, dash), Hexadecimal, null, out nuint start) && nuint.TryParse(words[0].AsSpan(dash + 1), Hexadecimal, null, out nuint end)
            ? (start, end) : null;
    }
}
