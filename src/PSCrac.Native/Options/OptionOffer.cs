namespace PSCrac.Options;

/// <summary>An option that takes care of a finding.</summary>
/// <param name="Option">Which one.</param>
/// <param name="Value">Its value; null without one.</param>
internal readonly record struct OptionOffer(OptionRow Option, string? Value = null)
{
    /// <summary>Whether it may be chosen here without being asked for; null for what the table says.</summary>
    internal bool? LosesNothing { get; init; }

    /// <summary>Whether the caller has given it, with a value that does not suffice.</summary>
    internal bool IsInsufficient { get; init; }
}
