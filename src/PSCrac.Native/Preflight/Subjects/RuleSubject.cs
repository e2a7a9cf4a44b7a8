using PSCrac.Common;

namespace PSCrac.Preflight.Subjects;

/// <summary>The subject of rules, a process tree or an image, with the environment and the findings.</summary>
internal abstract class RuleSubject(PreflightEnvironment environment)
{
    internal PreflightEnvironment Environment { get; } = environment;

    internal List<CracFinding> Findings { get; } = [];

    /// <summary>Adds a blocker.</summary>
    internal void Block(int? processId, string what, CracReason reason, string why, string recommendedAction, FindingCause? cause = null) =>
        Add(CracFindingSeverity.Blocker, processId, what, reason, why, recommendedAction, cause);

    /// <summary>Adds a warning.</summary>
    internal void Warn(int? processId, string what, CracReason reason, string why, string? recommendedAction, FindingCause? cause = null) =>
        Add(CracFindingSeverity.Warning, processId, what, reason, why, recommendedAction, cause);

    /// <summary>Adds a note.</summary>
    internal void Note(int? processId, string what, CracReason reason, string why, string? recommendedAction = null, FindingCause? cause = null) =>
        Add(CracFindingSeverity.Note, processId, what, reason, why, recommendedAction, cause);

    private void Add(CracFindingSeverity severity, int? processId, string what, CracReason reason, string why, string? recommendedAction, FindingCause? cause) =>
        Findings.Add(new CracFinding
        {
            Severity = severity,
            ProcessId = processId,
            What = what,
            Reason = reason,
            Why = why,
            RecommendedAction = recommendedAction,
            Cause = cause,
        });
}
