using System.Text.RegularExpressions;
using PSCrac.Common;

namespace PSCrac.Criu;

/// <summary>
/// What criu's error lines mean and what to do about them, read from criu 4.2's source. A row is tried against each line
/// in turn, rows in order, so the more telling rows come first. Groups of a pattern can be named in texts as {name}.
/// </summary>
internal static partial class KnownFailures
{
    /// <summary>One known failure.</summary>
    /// <param name="Name">What the tests call it.</param>
    /// <param name="Pattern">A regular expression for the line that tells it.</param>
    /// <param name="Reason">Why the operation failed.</param>
    /// <param name="Message">The line in words that need no knowledge of criu.</param>
    /// <param name="RecommendedAction">What to do next.</param>
    internal sealed record Row(string Name, string Pattern, CracReason Reason, string Message, string RecommendedAction)
    {
        // Most runs end without a failure, and those that do not need a few of these once.
        private readonly Lazy<Regex> _regex = new(() => new Regex(Pattern, RegexOptions.CultureInvariant));

        /// <summary>For a failure that no test of ours can produce: where in criu it comes from, and why not. Null for all others.</summary>
        internal string? NotReproducedBecause { get; init; }

        internal Match Match(string line) => _regex.Value.Match(line);
    }

    /// <summary>All rows.</summary>
    internal static IEnumerable<Row> Rows => [.. CheckpointRows, .. RestoreRows, .. CommonRows];

    /// <summary>The exception for a failure of criu.</summary>
    /// <param name="operation">What criu was asked to do.</param>
    /// <param name="log">criu's log; null where it wrote none.</param>
    /// <param name="lines">criu's error lines.</param>
    internal static CracException Explain(CracOperation operation, string? log, IReadOnlyList<string> lines)
    {
        (Row? row, Match? match) = Find(operation, lines);
        string message;
        if (row is not null)
        {
            message = Fill(row.Message, match!);
        }
        else
        {
            message = lines.Count == 0
                ? $"criu failed the {operation.Name} without saying why."
                : $"criu failed the {operation.Name}: {lines[0]}";
        }

        string? recommendedAction = row is not null ? Fill(row.RecommendedAction, match!) : log is null ? null : $"Read criu's log: {log}";
        return new CracException(row?.Reason ?? CracReason.Unknown, message, recommendedAction)
        {
            LogPath = log,
            CriuLines = lines,
        };
    }

    /// <summary>The first row that one of the lines matches, and how it does.</summary>
    internal static (Row? Row, Match? Match) Find(CracOperation operation, IReadOnlyList<string> lines)
    {
        IEnumerable<Row> own = operation switch { CracOperation.Checkpoint => CheckpointRows, CracOperation.Restore => RestoreRows, _ => [] };
        foreach (Row row in own.Concat(CommonRows))
        {
            foreach (string line in lines)
            {
                Match match = row.Match(line);
                if (match.Success)
                {
                    return (row, match);
                }
            }
        }

        return (null, null);
    }

    private static string Fill(string text, Match match)
    {
        foreach (Group group in match.Groups)
        {
            text = text.Replace($"{{{group.Name}}}", group.Value, StringComparison.Ordinal);
        }

        return text;
    }
}
