using PSCrac.Common;

namespace PSCrac;

/// <summary>How much a finding weighs.</summary>
public enum CracFindingSeverity
{
    /// <summary>The checkpoint or the restore will fail unless something is done first.</summary>
    Blocker = 0,

    /// <summary>An option of criu takes care of it, and is chosen or was given.</summary>
    Option,

    /// <summary>It will work, but something will not be as it was.</summary>
    Warning,

    /// <summary>Worth knowing; nothing needs to be done.</summary>
    Note,
}

/// <summary>One thing that was found when a process or an image was looked at before a checkpoint or a restore.</summary>
public sealed record CracFinding
{
    /// <summary>How much it weighs.</summary>
    public required CracFindingSeverity Severity { get; init; }

    /// <summary>
    /// The process it is about. Of a live tree, by the pid seen from here, and the root where it is about several processes or
    /// none. Of an image, the pid recorded in it, and null where it is about several or none.
    /// </summary>
    public int? ProcessId { get; init; }

    /// <summary>The root of the live tree that was looked at; null for an image.</summary>
    public int? RootProcessId { get; init; }

    /// <summary>The image that was looked at, by its full path; null for a live tree.</summary>
    public string? ImagePath { get; init; }

    /// <summary>What was found, such as <c>descriptor 7: tcp 10.0.0.5:5432 ESTABLISHED</c>.</summary>
    public required string What { get; init; }

    /// <summary>The reason that an operation failing over it would give.</summary>
    public required CracReason Reason { get; init; }

    /// <summary>How many things have this cause, such as locks or taken pids; 1 for a single one. <see cref="What"/> names the first.</summary>
    public int Occurrences { get; init; } = 1;

    /// <summary>Why it matters, in one or two sentences that need no knowledge of CRIU.</summary>
    public required string Why { get; init; }

    /// <summary>What takes care of it: the parameter that does, or what the program would have to do. Null where nothing needs to be done.</summary>
    public string? RecommendedAction { get; init; }

    /// <summary>criu's option that takes care of it, without dashes, such as <c>ghost-limit</c>. Null where none does, or none was chosen or given.</summary>
    public string? CriuOption { get; init; }

    /// <summary>The value of <see cref="CriuOption"/>; null for an option without one.</summary>
    public string? CriuValue { get; init; }

    /// <summary>Whether <see cref="CriuOption"/> was chosen by PSCrac rather than given by the caller.</summary>
    public bool IsAutomatic { get; init; }

    /// <summary>What it shares with others of the same cause; null when it stands alone, or for all of them.</summary>
    internal FindingCause? Cause { get; init; }

    /// <summary>The severity, what and why on one line.</summary>
    public override string ToString() => $"{Severity}: {What}: {Why}";
}
