using PSCrac.Images.Manifest;

namespace PSCrac.Checkpointing;

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
    string? ReplacedImagePath = null)
{
    /// <summary>What a restore of the image will lose or change, that was found only while the checkpoint was made; sentences.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
