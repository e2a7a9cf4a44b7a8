namespace PSCrac.Options;

/// <summary>A tree that criu holds: dumped but not killed yet, or restored but not running yet.</summary>
/// <param name="RootProcessId">The root's pid here; null if it is not known.</param>
/// <param name="ImagePath">The path of its image.</param>
/// <param name="IsHeld">Whether criu still holds it. A criu that was killed does not.</param>
internal sealed record HeldTree(int? RootProcessId, string ImagePath, Func<bool> IsHeld);
