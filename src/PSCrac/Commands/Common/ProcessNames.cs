using System.ComponentModel;
using System.Diagnostics;
using System.Management.Automation;
using PSCrac.Procfs;

namespace PSCrac.Commands.Common;

/// <summary>Finds processes for -Name as Stop-Process does: by the names that Get-Process shows, with wildcards, ignoring case.</summary>
internal static class ProcessNames
{
    /// <summary>
    /// The processes of some names. One that descends from another of them is left out: it is part of that one's tree. So is one that
    /// has ended.
    /// </summary>
    /// <param name="names">The names.</param>
    /// <param name="onUnknown">Told of each name that no process has.</param>
    /// <returns>Their pids, in ascending order.</returns>
    internal static List<int> Find(IReadOnlyList<string> names, Action<string, CracException> onUnknown)
    {
        var wanted = new WildcardPattern[names.Count];
        for (int i = 0; i < wanted.Length; i++)
        {
            wanted[i] = WildcardPattern.Get(names[i], WildcardOptions.IgnoreCase);
        }

        var isKnown = new bool[wanted.Length];
        var found = new SortedSet<int>();
        foreach ((int id, string name) in All())
        {
            for (int i = 0; i < wanted.Length; i++)
            {
                if (Matches(wanted[i], names[i], name) && (found.Contains(id) || ProcessStatus.TryRead(id) is { HasEnded: false }))
                {
                    isKnown[i] = true;
                    found.Add(id);
                }
            }
        }

        for (int i = 0; i < wanted.Length; i++)
        {
            if (!isKnown[i])
            {
                onUnknown(names[i], Unknown(names[i]));
            }
        }

        return [.. found.Where(id => !DescendsFromAny(id, found))];
    }

    /// <summary>The processes that run, with the names that Get-Process shows.</summary>
    internal static IEnumerable<(int Id, string Name)> All()
    {
        foreach (Process process in Process.GetProcesses())
        {
            using (process)
            {
                if (TryGetName(process) is { Length: > 0 } name)
                {
                    yield return (process.Id, name);
                }
            }
        }
    }

    private static bool Matches(WildcardPattern wanted, string pattern, string name)
    {
        try
        {
            return wanted.IsMatch(name);
        }
        catch (WildcardPatternException e)
        {
            throw new CracException(
                CracReason.OptionRefused, $"'{pattern}' is no valid wildcard: {e.Message}", "Put a backtick before each bracket that is part of the name.", e);
        }
    }

    private static bool DescendsFromAny(int id, SortedSet<int> others)
    {
        for (int parent = ParentOf(id); parent > 0; parent = ParentOf(parent))
        {
            if (others.Contains(parent))
            {
                return true;
            }
        }

        return false;
    }

    private static int ParentOf(int id) => ProcessStatus.TryRead(id)?.ParentProcessId ?? 0;

    private static string? TryGetName(Process process)
    {
        try
        {
            return process.ProcessName;
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception)
        {
            // The process has ended meanwhile.
            return null;
        }
    }

    private static CracException Unknown(string name) => new(
        CracReason.ProcessNotFound,
        WildcardPattern.ContainsWildcardCharacters(name) ? $"The name of no process matches '{name}'." : $"No process has the name '{WildcardPattern.Unescape(name)}'.",
        "Get-Process lists the processes with their names.");
}
