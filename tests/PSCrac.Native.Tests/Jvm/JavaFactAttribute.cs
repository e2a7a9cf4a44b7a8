using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

/// <summary>A test that needs a JDK and root. Where either is missing it is skipped, and its name says why.</summary>
public sealed class JavaFactAttribute : FactAttribute
{
    /// <summary>Looks for them.</summary>
    public JavaFactAttribute()
    {
        if ((JavaProgram.WhyNot ?? (Environment.UserName != "root" ? "it needs root" : null)) is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }
}

/// <summary>A test that needs python3, for the stand-in, and root. Where either is missing it is skipped, and its name says why.</summary>
public sealed class PythonFactAttribute : FactAttribute
{
    /// <summary>Looks for them.</summary>
    public PythonFactAttribute()
    {
        if ((PythonProgram.Path is null ? "there is no python3" : Environment.UserName != "root" ? "it needs root" : null) is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }
}
