using PSCrac.Images.Manifest;
using PSCrac.Options;

namespace PSCrac.Checkpointing;

/// <summary>What to checkpoint, where to, and how.</summary>
public sealed record CheckpointRequest
{
    /// <summary>The root of the tree to checkpoint, by its pid here.</summary>
    public required int ProcessId { get; init; }

    /// <summary>The directory that the image becomes. Relative paths are the process's own, not PowerShell's.</summary>
    public required string ImagePath { get; init; }

    /// <summary>criu's options.</summary>
    public CheckpointOptions Options { get; init; } = new();

    /// <summary>
    /// Whether the process is looked at first: what stands in the way ends the checkpoint before anything is frozen, and
    /// options that lose nothing are chosen for what is found. Otherwise criu alone decides.
    /// </summary>
    public bool ChooseOptions { get; init; } = true;

    /// <summary>Whether an image that stands at <see cref="ImagePath"/> is replaced. Anything else there is never.</summary>
    public bool Force { get; init; }

    /// <summary>Whether writing the image through to the disk is left to the kernel.</summary>
    public bool NoSync { get; init; }

    /// <summary>How long to wait for the killed tree's pids to become free; zero not to wait.</summary>
    public TimeSpan PidTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The criu to use; null to look for it.</summary>
    public string? CriuPath { get; init; }
}

/// <summary>A finished checkpoint.</summary>
/// <param name="Image">The image, read back.</param>
/// <param name="LingeringProcessIds">Pids of the killed tree that were not free when the wait for them ended.</param>
/// <param name="Choices">The options that were chosen, and what for.</param>
/// <param name="Findings">What the look at the process found.</param>
/// <param name="ConfigurationFiles">criu's own configuration files that took effect.</param>
/// <param name="ReplacedImagePath">Where the image that was replaced still is, when it could not be removed; null otherwise.</param>
public sealed record CheckpointResult(
    CracImage Image,
    IReadOnlyList<int> LingeringProcessIds,
    IReadOnlyList<ImageManifestChoice> Choices,
    IReadOnlyList<CracFinding> Findings,
    IReadOnlyList<string> ConfigurationFiles,
    string? ReplacedImagePath = null);
