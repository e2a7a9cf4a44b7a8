namespace PSCrac.Preflight.Subjects;

/// <summary>
/// A rule about one thing that affects a checkpoint. It examines a tree's snapshot and adds findings; it changes nothing.
/// </summary>
internal abstract class PreflightRule
{
    internal abstract void Examine(PreflightSubject subject);
}
