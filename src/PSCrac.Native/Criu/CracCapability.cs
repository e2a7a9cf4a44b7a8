namespace PSCrac;

/// <summary>One thing that checkpoints or restores need from this machine, and whether it is available.</summary>
/// <param name="Name">Its name.</param>
/// <param name="IsAvailable">Whether it is available.</param>
/// <param name="IsRequired">Whether every operation needs it; otherwise only <paramref name="NeededFor"/> does.</param>
/// <param name="Detail">What was found: a version, a path, a sentence of criu's.</param>
/// <param name="NeededFor">What needs it.</param>
/// <param name="RecommendedAction">What to do if it is missing; null if it is available or nothing can be done.</param>
public sealed record CracCapability(string Name, bool IsAvailable, bool IsRequired, string Detail, string NeededFor, string? RecommendedAction);
