using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>A test that needs programs of the system. Where one is missing the test is skipped, and its name says why.</summary>
public sealed class ProgramFactAttribute : FactAttribute, IWantsPrograms
{
    /// <summary>Looks for the programs.</summary>
    public ProgramFactAttribute(params string[] programs)
    {
        Programs = programs;
        if (WantedPrograms.WhyNot(programs) is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Programs { get; }
}

/// <summary>As <see cref="ProgramFactAttribute"/>, for a theory.</summary>
public sealed class ProgramTheoryAttribute : TheoryAttribute, IWantsPrograms
{
    /// <summary>Looks for the programs.</summary>
    public ProgramTheoryAttribute(params string[] programs)
    {
        Programs = programs;
        if (WantedPrograms.WhyNot(programs) is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Programs { get; }
}
