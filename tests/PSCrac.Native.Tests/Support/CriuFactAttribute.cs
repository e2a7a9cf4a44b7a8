using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>A test that needs criu and the right to dump processes. Where either is missing it is skipped, and its name says why.</summary>
public sealed class CriuFactAttribute : FactAttribute
{
    /// <summary>Looks for criu, and for the other programs the test needs.</summary>
    public CriuFactAttribute(params string[] programs)
    {
        string? reason = CriuProgram.WhyNot;
        foreach (string program in programs)
        {
            reason ??= CriuProgram.Find(program) is null ? $"there is no {program}" : null;
        }

        if (reason is not null)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }
}
