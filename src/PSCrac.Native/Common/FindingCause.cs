namespace PSCrac.Common;

/// <summary>
/// What a finding has in common with others of the same cause, and what is its own: <see cref="FindingGroups"/> merges them into
/// one. Findings belong together when severity, reason, option and <see cref="Things"/> are the same.
/// </summary>
/// <param name="Things">What is counted, in the plural, such as <c>locks</c>.</param>
/// <param name="Item">This one, such as a path. Null if each process is one.</param>
/// <param name="Place">Where it was found, such as <c>descriptor 7</c>; null if only the process is known.</param>
internal sealed record FindingCause(string Things, string? Item = null, string? Place = null)
{
    /// <summary>The plural of the finding's Why; null to use the singular.</summary>
    internal string? Why { get; init; }

    /// <summary>Makes the recommended action for all of them from the <see cref="Argument"/> of each; null to use the singular.</summary>
    internal Func<IReadOnlyList<string>, string>? Action { get; init; }

    /// <summary>The input of <see cref="Action"/> for this one; null for <see cref="Item"/>.</summary>
    internal string? Argument { get; init; }

    /// <summary>
    /// What distinguishes this one from others with the same <see cref="Item"/>, such as an inode; null if the item does.
    /// </summary>
    internal object? Key { get; init; }

    /// <summary>Whether the merged finding names the process of each item, if there are several processes.</summary>
    internal bool NamesProcess { get; init; } = true;
}
