using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>As <see cref="CriuFactAttribute"/>, for a theory; it wants Python in any case, which the theories' programs are written in.</summary>
public sealed class CriuTheoryAttribute : TheoryAttribute, IWantsPrograms
{
    /// <summary>Looks for criu, and for the programs the test needs.</summary>
    public CriuTheoryAttribute(params string[] programs)
    {
        Programs = ["python3", .. programs];
        if ((CriuProgram.WhyNot ?? WantedPrograms.WhyNot(Programs)) is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Programs { get; }
}
