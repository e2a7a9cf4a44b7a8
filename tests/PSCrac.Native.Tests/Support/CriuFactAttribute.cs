using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>A test that needs criu and the right to dump processes. Where either is missing it is skipped, and its name says why.</summary>
public sealed class CriuFactAttribute : FactAttribute, IWantsPrograms
{
    /// <summary>Looks for criu, and for the other programs the test needs.</summary>
    public CriuFactAttribute(params string[] programs)
    {
        Programs = programs;
        if ((CriuProgram.WhyNot ?? WantedPrograms.WhyNot(programs)) is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Programs { get; }
}
