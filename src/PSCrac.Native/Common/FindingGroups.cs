using System.Globalization;
using System.Text;

namespace PSCrac.Common;

/// <summary>Merges findings with the same cause into one, which has their number and names the first few.</summary>
internal static class FindingGroups
{
    private const int DefaultShown = 3;

    /// <summary>Merges the findings of each cause. The order is kept.</summary>
    internal static List<CracFinding> Merge(IReadOnlyList<CracFinding> findings)
    {
        var merged = new List<CracFinding>(findings.Count);
        var groups = new Dictionary<(CracFindingSeverity, CracReason, string, string?), (int At, List<CracFinding> Found)>();
        foreach (CracFinding finding in findings)
        {
            if (finding.Cause is not { } cause)
            {
                merged.Add(finding);
            }
            else if (groups.TryGetValue((finding.Severity, finding.Reason, cause.Things, finding.CriuOption), out (int At, List<CracFinding> Found) group))
            {
                group.Found.Add(finding);
            }
            else
            {
                groups.Add((finding.Severity, finding.Reason, cause.Things, finding.CriuOption), (merged.Count, [finding]));
                merged.Add(finding);
            }
        }

        foreach ((int at, List<CracFinding> found) in groups.Values)
        {
            merged[at] = found.Count == 1 ? found[0] with { Cause = null } : Merge(found);
        }

        return merged;
    }

    /// <summary>The first few of a list, and how many more there are.</summary>
    internal static string List(IReadOnlyList<string> items, int shown = DefaultShown)
    {
        var text = new StringBuilder();
        for (int i = 0; i < items.Count && i < shown; i++)
        {
            bool isLast = i > 0 && i == items.Count - 1;
            text.Append(i == 0 ? "" : isLast ? " and " : ", ").Append(items[i]);
        }

        return items.Count <= shown
            ? text.ToString()
            : text.Append(CultureInfo.InvariantCulture, $" and {items.Count - shown} more").ToString();
    }

    private static CracFinding Merge(List<CracFinding> found)
    {
        CracFinding first = found[0];
        FindingCause cause = first.Cause!;
        var items = new List<Item>();
        var byName = new Dictionary<(string, object?), Item>();
        var processes = new List<int>();
        string? value = first.CriuValue;
        foreach (CracFinding each in found)
        {
            string name = each.Cause!.Item ?? FormatId(each.ProcessId);
            if (!byName.TryGetValue((name, each.Cause.Key), out Item? item))
            {
                byName.Add((name, each.Cause.Key), item = new Item(name, each.Cause.Argument ?? name));
                items.Add(item);
            }

            item.Places.Add((each.ProcessId, each.Cause.Place));
            if (each.ProcessId is { } id && !processes.Contains(id))
            {
                processes.Add(id);
            }

            value = Maximum(value, each.CriuValue);
        }

        bool several = processes.Count > 1;
        string what = items.Count == 1 ? DescribeOne(first, items[0], processes) : DescribeAll(cause, items, several);
        bool isPlural = items.Count > 1;
        return first with
        {
            ProcessId = several ? null : first.ProcessId,
            What = what,
            Why = isPlural && cause.Why is not null ? cause.Why : first.Why,
            RecommendedAction = cause.Action is not null && first.Severity != CracFindingSeverity.Option
                ? cause.Action(Arguments(items))
                : first.RecommendedAction,
            CriuValue = value,
            Occurrences = items.Count,
            Cause = null,
        };
    }

    // One item found in several places, such as a file that several processes or descriptors have open.
    private static string DescribeOne(CracFinding first, Item item, List<int> processes)
    {
        if (processes.Count > 1)
        {
            return $"{first.What}, in {processes.Count} processes: {List(processes.ConvertAll(static id => FormatId(id)))}";
        }

        var places = new List<string>();
        foreach ((_, string? place) in item.Places)
        {
            if (place is not null && place != first.Cause!.Place && !places.Contains(place))
            {
                places.Add(place);
            }
        }

        return places.Count == 0 ? first.What : $"{first.What}; also {List(places)}";
    }

    private static string DescribeAll(FindingCause cause, List<Item> items, bool several)
    {
        bool namesProcess = several && cause is { Item: not null, NamesProcess: true };
        string? common = items.TrueForAll(item => item.Places.TrueForAll(each => each.Place == cause.Place)) ? cause.Place : null;
        List<string> texts = items.ConvertAll(item => item.Name + DescribePlace(item, namesProcess, namesPlace: common is null));
        return $"{items.Count} {cause.Things}{(common is null ? "" : $", {common}")}: {List(texts)}";
    }

    private static string DescribePlace(Item item, bool namesProcess, bool namesPlace)
    {
        (int? processId, string? place) = item.Places[0];
        string? where = (namesPlace ? place : null, namesProcess ? processId : null) switch
        {
            ({ } at, { } id) => $"{at} of process {id}",
            ({ } at, null) => at,
            (null, { } id) => $"process {id}",
            _ => null,
        };
        return where is null ? "" : $" ({where}{(item.Places.Count > 1 ? " and others" : "")})";
    }

    private static List<string> Arguments(List<Item> items)
    {
        var arguments = new List<string>();
        foreach (Item item in items)
        {
            if (!arguments.Contains(item.Argument))
            {
                arguments.Add(item.Argument);
            }
        }

        return arguments;
    }

    // An option with a number, such as ghost-limit, must be large enough for all findings.
    private static string? Maximum(string? first, string? second) =>
        long.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out long one)
        && long.TryParse(second, NumberStyles.None, CultureInfo.InvariantCulture, out long other) && other > one ? second : first;

    private static string FormatId(int? id) => id?.ToString(CultureInfo.InvariantCulture) ?? "";

    private sealed record Item(string Name, string Argument)
    {
        internal List<(int? ProcessId, string? Place)> Places { get; } = [];
    }
}
