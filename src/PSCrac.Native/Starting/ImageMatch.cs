using PSCrac.Preflight.Subjects;
using PSCrac.Restoring;
using PSCrac.Starting.Fingerprints;

namespace PSCrac.Starting;

/// <summary>The comparison of an image with a start.</summary>
internal static class ImageMatch
{
    /// <summary>Compares an image with a command line and its files, but only if the image is trusted: its manifest names files to read.</summary>
    /// <returns>The differences, each as a clause of a sentence; empty where the image matches.</returns>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ImageNotTrusted"/>; or the image cannot be read; or <see cref="CracReason.OptionRefused"/>: -DependsOn
    /// matches too many files.
    /// </exception>
    internal static IReadOnlyList<string> FindDifferences(CracImage image, StartedCommand command)
    {
        using (var trust = ImageTrust.Examine(image.Path))
        {
            RestorePreflight.RequireTrusted(trust, skip: false);
        }

        return FingerprintComparison.Compare(image, command);
    }
}
