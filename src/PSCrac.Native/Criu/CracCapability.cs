namespace PSCrac;

/// <summary>One thing that checkpoints or restores need from this machine, and whether it is there.</summary>
/// <param name="Name">What it is.</param>
/// <param name="IsAvailable">Whether it is there.</param>
/// <param name="IsRequired">Whether nothing works without it; otherwise only <paramref name="NeededFor"/> does not.</param>
/// <param name="Detail">What was found: a version, a path, a sentence of criu's.</param>
/// <param name="NeededFor">What needs it.</param>
/// <param name="RecommendedAction">What to do where it is not there; null where it is, or where nothing can be done.</param>
public sealed record CracCapability(string Name, bool IsAvailable, bool IsRequired, string Detail, string NeededFor, string? RecommendedAction);
