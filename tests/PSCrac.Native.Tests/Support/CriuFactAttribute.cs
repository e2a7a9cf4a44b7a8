using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>A test that needs criu and the right to dump processes. Where either is missing it is skipped, and its name says why.</summary>
public sealed class CriuFactAttribute : FactAttribute
{
    /// <summary>Looks for criu.</summary>
    public CriuFactAttribute()
    {
        if (CriuProgram.WhyNot is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }
}
