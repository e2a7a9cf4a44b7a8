using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>As <see cref="CriuFactAttribute"/>, for a theory.</summary>
public sealed class CriuTheoryAttribute : TheoryAttribute
{
    /// <summary>Looks for criu, and for Python, which the theories' programs are written in.</summary>
    public CriuTheoryAttribute()
    {
        string? reason = CriuProgram.WhyNot ?? (PythonProgram.Path is null ? "there is no python3" : null);
        if (reason is not null)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }
}
