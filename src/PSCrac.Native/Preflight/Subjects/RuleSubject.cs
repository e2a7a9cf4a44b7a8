using PSCrac.Common;

namespace PSCrac.Preflight.Subjects;

/// <summary>What rules look at, a process tree or an image: where they look, and where their findings go.</summary>
internal abstract class RuleSubject(PreflightEnvironment environment)
{
    internal PreflightEnvironment Environment { get; } = environment;

    internal List<CracFinding> Findings { get; } = [];

    /// <summary>Adds something that cannot work as it is.</summary>
    internal void Block(int? processId, string what, CracReason reason, string why, string recommendedAction, FindingCause? cause = null) =>
        Add(CracFindingSeverity.Blocker, processId, what, reason, why, recommendedAction, cause);

    /// <summary>Adds something that will not be as it was.</summary>
    internal void Warn(int? processId, string what, CracReason reason, string why, string? recommendedAction, FindingCause? cause = null) =>
        Add(CracFindingSeverity.Warning, processId, what, reason, why, recommendedAction, cause);

    /// <summary>Adds something worth knowing.</summary>
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
