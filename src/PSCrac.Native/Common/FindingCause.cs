namespace PSCrac.Common;

/// <summary>
/// What a finding has in common with others that have the same cause, and what sets it apart: <see cref="FindingGroups"/> makes
/// one of them. Findings belong together when severity, reason, option and <see cref="Things"/> are the same.
/// </summary>
/// <param name="Things">What is counted, in the plural, such as <c>locks</c>.</param>
/// <param name="Item">Which one this is, such as a path. Null where each process is one.</param>
/// <param name="Place">Where it was met, such as <c>descriptor 7</c>; null where the process is all there is to say.</param>
internal sealed record FindingCause(string Things, string? Item = null, string? Place = null)
{
    /// <summary>The finding's why in the plural; null where the singular serves.</summary>
    internal string? Why { get; init; }

    /// <summary>What to do about all of them, given the <see cref="Argument"/> of each; null where the singular serves.</summary>
    internal Func<IReadOnlyList<string>, string>? Action { get; init; }

    /// <summary>What <see cref="Action"/> needs of this one; null for <see cref="Item"/>.</summary>
    internal string? Argument { get; init; }

    /// <summary>What tells this one from others with the same <see cref="Item"/>, such as an inode; null where the item does.</summary>
    internal object? Key { get; init; }

    /// <summary>Whether an item of several processes is told with its process.</summary>
    internal bool NamesProcess { get; init; } = true;
}
