using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>A test that needs a criu with a feature that not every one has. Where it lacks it the test is skipped, and its name says so.</summary>
public sealed class CriuFeatureFactAttribute : FactAttribute
{
    /// <summary>Asks criu.</summary>
    /// <param name="feature">criu's name of the feature.</param>
    public CriuFeatureFactAttribute(string feature)
    {
        if ((CriuProgram.WhyNot ?? WantedPrograms.WhyNot("python3") ?? WhyNot(feature)) is { } reason)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }

    private static string? WhyNot(string feature) =>
        CriuProgram.Run("check", "--feature", feature).ExitCode == 0 ? null : $"there is no criu that can {feature}; CRAC_CRIU_PATH names one";
}
