using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

/// <summary>A test that needs a JDK and root. Where either is missing it is skipped, and its name says why.</summary>
public sealed class JavaFactAttribute : FactAttribute, IWantsPrograms
{
    /// <summary>Looks for them.</summary>
    public JavaFactAttribute()
    {
        if ((WantedPrograms.WhyNot(Programs) ?? (Environment.UserName != "root" ? "it needs root" : null)) is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Programs => ["java", "javac"];
}

/// <summary>A test that needs python3, for the stand-in, and root. Where either is missing it is skipped, and its name says why.</summary>
public sealed class PythonFactAttribute : FactAttribute, IWantsPrograms
{
    /// <summary>Looks for them.</summary>
    public PythonFactAttribute()
    {
        if ((WantedPrograms.WhyNot(Programs) ?? (Environment.UserName != "root" ? "it needs root" : null)) is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Programs => ["python3"];
}
