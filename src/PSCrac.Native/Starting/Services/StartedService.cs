using PSCrac.Images.Manifest;
using PSCrac.Starting.Fingerprints;

namespace PSCrac.Starting.Services;

/// <summary>The program of a service, which runs and was ready.</summary>
/// <param name="Process">The program.</param>
/// <param name="Image">The image that it was restored from; null where it was started.</param>
internal sealed record StartedService(CracStartedProcess Process, ServiceImage? Image)
{
    /// <summary>The fingerprint that was taken before its start; null where it was restored.</summary>
    internal StartFingerprint? Fingerprint { get; init; }

    /// <summary>
    /// How it was started, for the manifest of its next image. A restored program was started from the files of its first image: files
    /// that have changed since are not what it has in memory.
    /// </summary>
    internal ImageManifestStart? ReadStart() => Fingerprint?.Complete(Process.Id) ?? Process.Image?.Manifest?.Start;
}
