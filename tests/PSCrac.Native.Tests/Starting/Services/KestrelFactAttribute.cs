using System.Runtime.InteropServices;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Services;

/// <summary>A test that needs criu and ASP.NET Core of this .NET. Where either is missing it is skipped, and its name says why.</summary>
public sealed class KestrelFactAttribute : FactAttribute
{
    /// <summary>Looks for them.</summary>
    public KestrelFactAttribute()
    {
        // A shared runtime is in ROOT/shared/Microsoft.NETCore.App/10.0.1/.
        string shared = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../.."));
        string web = Path.Combine(shared, "Microsoft.AspNetCore.App");
        bool isThere = Directory.Exists(web) && Directory.GetDirectories(web, $"{Environment.Version.Major}.*").Length > 0;
        string? reason = CriuProgram.WhyNot ?? (isThere ? CriuProgram.Find("dotnet") is null ? "there is no dotnet" : null : "there is no ASP.NET Core");
        if (reason is not null)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }
}
