namespace PSCrac.Tests.Criu;

/// <summary>The row of the table of known failures that a test reaches, by an actual failure.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ReachesAttribute(string row) : Attribute
{
    internal string Row { get; } = row;
}
