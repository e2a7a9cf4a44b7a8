namespace PSCrac.Tests.Criu;

/// <summary>Which row of the table of known failures a test reaches, by a real failure.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ReachesAttribute(string row) : Attribute
{
    internal string Row { get; } = row;
}
