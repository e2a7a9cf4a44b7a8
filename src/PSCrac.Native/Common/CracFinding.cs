using PSCrac.Common;

namespace PSCrac;

/// <summary>The severity of a finding.</summary>
public enum CracFindingSeverity
{
    /// <summary>The checkpoint or the restore will fail unless something is done first.</summary>
    Blocker = 0,

    /// <summary>An option of criu handles it, and was chosen or given.</summary>
    Option,

    /// <summary>It will work, but something will be different after the restore.</summary>
    Warning,

    /// <summary>Information; nothing needs to be done.</summary>
    Note,
}

/// <summary>One result of the examination of a process or an image before a checkpoint or a restore.</summary>
public sealed record CracFinding
{
    /// <summary>The severity.</summary>
    public required CracFindingSeverity Severity { get; init; }

    /// <summary>
    /// The process that the finding concerns. For a live tree, its pid in the caller's pid namespace, or the root's for several
    /// processes or none. For an image, the pid recorded in it, or null for several processes or none.
    /// </summary>
    public int? ProcessId { get; init; }

    /// <summary>The root of the live tree that was examined; null for an image.</summary>
    public int? RootProcessId { get; init; }

    /// <summary>The full path of the image that was examined; null for a live tree.</summary>
    public string? ImagePath { get; init; }

    /// <summary>What was found, such as <c>descriptor 7: tcp 10.0.0.5:5432 ESTABLISHED</c>.</summary>
    public required string What { get; init; }

    /// <summary>The reason of the error that an operation would fail with.</summary>
    public required CracReason Reason { get; init; }

    /// <summary>
    /// How many items have this cause, such as locks or pids in use; 1 for a single one. <see cref="What"/> names the first few.
    /// </summary>
    public int Occurrences { get; init; } = 1;

    /// <summary>Why it matters, in one or two sentences that need no knowledge of CRIU.</summary>
    public required string Why { get; init; }

    /// <summary>
    /// What to do about it: the parameter to give, or what the program would have to do. Null if nothing needs to be done.
    /// </summary>
    public string? RecommendedAction { get; init; }

    /// <summary>
    /// criu's option that handles it, without dashes, such as <c>ghost-limit</c>. Null if there is none, or it was neither chosen
    /// nor given.
    /// </summary>
    public string? CriuOption { get; init; }

    /// <summary>The value of <see cref="CriuOption"/>; null for an option without one.</summary>
    public string? CriuValue { get; init; }

    /// <summary>Whether <see cref="CriuOption"/> was chosen by PSCrac rather than given by the caller.</summary>
    public bool IsAutomatic { get; init; }

    /// <summary>The cause that it shares with other findings; null if it is not merged with others, or is the merged finding.</summary>
    internal FindingCause? Cause { get; init; }

    /// <summary>The severity, what and why on one line.</summary>
    public override string ToString() => $"{Severity}: {What}: {Why}";
}
