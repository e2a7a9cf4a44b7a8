using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images;

/// <summary>A test that needs podman with runc, and what a container can be made of without a registry: a static busybox. Otherwise it is skipped, and its name says why.</summary>
public sealed class PodmanFactAttribute : FactAttribute, IWantsPrograms
{
    /// <summary>Looks for them.</summary>
    public PodmanFactAttribute()
    {
        string? reason = CriuProgram.WhyNot ?? WantedPrograms.WhyNot(Programs);

        // ldd fails for what needs no library.
        reason ??= CriuProgram.RunProgram("ldd", CriuProgram.Find("busybox")!).ExitCode == 0 ? "busybox is not static" : null;
        if (reason is not null)
        {
            Skip = reason;
            DisplayName = $"(skipped: {reason})";
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> Programs => ["podman", "runc", "busybox", "tar"];
}
