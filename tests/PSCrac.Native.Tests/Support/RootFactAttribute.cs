using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>A test that gives files to other users, which only root may.</summary>
public sealed class RootFactAttribute : FactAttribute
{
    /// <summary>Asks who runs the tests.</summary>
    public RootFactAttribute()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Skip = "only root gives files to others";
            DisplayName = $"(skipped: {Skip})";
        }
    }
}
