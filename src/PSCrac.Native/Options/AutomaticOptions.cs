namespace PSCrac.Options;

/// <summary>
/// The options that a checkpoint needs by what was found, and that lose nothing. Never among them: what to do with a connection
/// that leaves the tree, and link-remap when the process goes on running (criu then deletes the helper links at once).
/// </summary>
internal sealed class AutomaticOptions
{
    private readonly Dictionary<OptionRow, object> _values = [];
    private readonly List<CracFinding> _reasons = [];

    private AutomaticOptions()
    {
    }

    /// <summary>The findings the options were chosen for, each of which gives the reason.</summary>
    internal IReadOnlyList<CracFinding> Reasons => _reasons;

    /// <summary>Whether nothing had to be chosen.</summary>
    internal bool IsEmpty => _reasons.Count == 0;

    /// <summary>Whether an option was chosen.</summary>
    /// <param name="name">criu's long name.</param>
    internal bool Contains(string name) => OptionTable.Find(name) is { } row && _values.ContainsKey(row);

    /// <summary>Gathers what the findings chose. Options that the caller gave are not among them.</summary>
    internal static AutomaticOptions From(IReadOnlyList<CracFinding> findings)
    {
        ArgumentNullException.ThrowIfNull(findings);
        var options = new AutomaticOptions();
        foreach (CracFinding finding in findings)
        {
            if (!finding.IsAutomatic)
            {
                continue;
            }

            OptionRow row = OptionTable.Find(finding.CriuOption!) is { MayBeChosen: true } known
                ? known
                : throw new InvalidOperationException($"No rule may choose {finding.CriuOption}.");
            options._reasons.Add(finding);
            object value = row.Value.Read(finding.CriuValue);

            options._values[row] = options._values.TryGetValue(row, out object? other) ? Join(row, other, value) : value;
        }

        return options;
    }

    // Several findings may each need a limit, of which the largest suffices for all, or a path, of which each is needed.
    private static object Join(OptionRow row, object one, object other) =>
        one is long limit ? Math.Max(limit, (long)other)
        : row == OptionTable.IrmapScanPath ? new List<string>([.. ToLines(one), .. ToLines(other)]).Distinct(StringComparer.Ordinal).ToArray()
        : other;

    private static string[] ToLines(object value) => value as string[] ?? [(string)value];

    /// <summary>The caller's options with those that were chosen where nothing was given.</summary>
    internal CheckpointOptions AddTo(CheckpointOptions given)
    {
        CriuOptions options = given;
        foreach ((OptionRow row, object value) in _values)
        {
            if (given.Get(row) is null)
            {
                options = options.With(row, value);
            }
        }

        return (CheckpointOptions)options;
    }
}
