using System.Text.RegularExpressions;
using PSCrac.Common;

namespace PSCrac.Criu;

/// <summary>
/// The meaning of criu's error lines and the recommended actions, from the source of criu 4.2. Each row in order is matched against
/// all lines, so the more specific rows come first, and those of warnings last. Texts refer to a group of the pattern as {name}.
/// </summary>
internal static partial class KnownFailures
{
    /// <summary>One known failure.</summary>
    /// <param name="Name">Its name in the tests.</param>
    /// <param name="Pattern">A regular expression for its line.</param>
    /// <param name="Reason">Why the operation failed.</param>
    /// <param name="Message">The meaning of the line, in words that need no knowledge of criu.</param>
    /// <param name="RecommendedAction">What to do next.</param>
    internal sealed record Row(string Name, string Pattern, CracReason Reason, string Message, string RecommendedAction)
    {
        // Most processes need none of these, and the others only a few.
        private readonly Lazy<Regex> _regex = new(() => new Regex(Pattern, RegexOptions.CultureInvariant));

        /// <summary>For a failure that no test can produce: its place in criu's source and the reason. Null for all others.</summary>
        internal string? NotReproducedBecause { get; init; }

        /// <summary>
        /// Whether the line is a warning, which criu also logs where it then continues, as for a child that has just ended. Such a row
        /// counts only if no other matches.
        /// </summary>
        internal bool IsFromWarning { get; init; }

        internal Match Match(string line) => _regex.Value.Match(line);
    }

    /// <summary>All rows.</summary>
    internal static IEnumerable<Row> Rows => [.. CheckpointRows, .. RestoreRows, .. CommonRows];

    /// <summary>The exception for a failure of criu.</summary>
    /// <param name="operation">What criu was asked to do.</param>
    /// <param name="log">criu's log; null if it wrote none.</param>
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

    /// <summary>The first row that matches one of the lines, and its match.</summary>
    internal static (Row? Row, Match? Match) Find(CracOperation operation, IReadOnlyList<string> lines)
    {
        IEnumerable<Row> own = operation switch { CracOperation.Checkpoint => CheckpointRows, CracOperation.Restore => RestoreRows, _ => [] };
        foreach (Row row in own.Concat(CommonRows).OrderBy(static row => row.IsFromWarning))
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
