using PSCrac.Images.Manifest;

namespace PSCrac.Checkpointing;

/// <summary>A finished checkpoint.</summary>
/// <param name="Image">The image, read back.</param>
/// <param name="LingeringProcessIds">Pids of the killed tree that were not free when the wait for them ended.</param>
/// <param name="Choices">The options that were chosen, each with its reason.</param>
/// <param name="Findings">What the preflight found; empty without a preflight.</param>
/// <param name="ConfigurationFiles">Paths of criu's own configuration files that were in effect.</param>
/// <param name="ReplacedImagePath">The path of the replaced image where it could not be removed; null otherwise.</param>
public sealed record CheckpointResult(
    CracImage Image,
    IReadOnlyList<int> LingeringProcessIds,
    IReadOnlyList<ImageManifestChoice> Choices,
    IReadOnlyList<CracFinding> Findings,
    IReadOnlyList<string> ConfigurationFiles,
    string? ReplacedImagePath = null)
{
    /// <summary>What a restore of the image will lose or change, as far as only the checkpoint itself could find it; sentences.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
