namespace PSCrac.Preflight.Subjects;

/// <summary>One thing that criu cares about. A rule looks at a tree's snapshot and adds what it finds; it changes nothing.</summary>
internal abstract class PreflightRule
{
    internal abstract void Examine(PreflightSubject subject);
}
