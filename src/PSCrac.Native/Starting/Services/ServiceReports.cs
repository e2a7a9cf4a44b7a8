namespace PSCrac.Starting.Services;

/// <summary>What a service's run tells: lines for its log, and its state for systemd.</summary>
/// <param name="say">Receives each line, without a line break.</param>
/// <param name="notifier">Tells systemd.</param>
internal sealed class ServiceReports(Action<string> say, ServiceNotifier notifier)
{
    /// <summary>Tells systemd.</summary>
    internal ServiceNotifier Notifier { get; } = notifier;

    /// <summary>Writes a line.</summary>
    internal void Say(string text) => say(OnOneLine(text));

    /// <summary>Writes the line of a failure.</summary>
    /// <param name="what">What failed, and what follows: the beginning of a sentence that a colon ends.</param>
    /// <param name="failure">The failure.</param>
    internal void Say(string what, CracException failure) => Say($"{what}: {Describe(failure)}");

    /// <summary>A failure on one line, with its reason and its recommended action, as the cmdlets' errors have them.</summary>
    internal static string Describe(CracException failure) => OnOneLine(string.Join(
        ' ',
        (string[])[
            failure.Message,
            .. failure.RecommendedAction is { } action ? [action] : (string[])[],
            .. failure.LogPath is { } log ? [$"criu's log: {log}."] : (string[])[],
            .. failure.OutputLines.Count > 0 ? [$"Its last line: {failure.OutputLines[^1]}"] : (string[])[],
            $"[{failure.Reason}]",
        ]));

    private static string OnOneLine(string text) => text.ReplaceLineEndings(" ");
}
