namespace PSCrac.Images.Manifest;

/// <summary>A file of an image that is not as its manifest says.</summary>
/// <param name="Reason">What is wrong.</param>
/// <param name="FileName">The name of the file.</param>
/// <param name="What">What is wrong, as the rest of a sentence that begins with the file.</param>
/// <param name="IsAdded">Whether the manifest does not name the file.</param>
internal readonly record struct ManifestDamage(CracReason Reason, string FileName, string What, bool IsAdded)
{
    /// <summary>Compares the files of an image with its manifest.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="files">The files. Content is compared where both have its hash.</param>
    /// <param name="mayBeAdded">Whether a file of this name may be there although the manifest does not name it.</param>
    /// <returns>The first difference; null if there is none.</returns>
    internal static ManifestDamage? Find(ImageManifest manifest, IEnumerable<ImageManifestFile> files, Func<string, bool> mayBeAdded)
    {
        var found = new Dictionary<string, ImageManifestFile>(StringComparer.Ordinal);
        foreach (ImageManifestFile file in files)
        {
            found[file.Name] = file;
        }

        foreach (ImageManifestFile expected in manifest.Files)
        {
            found.Remove(expected.Name, out ImageManifestFile? file);
            (CracReason Reason, string What)? damage = file is null ? (CracReason.ImageIncomplete, "is missing")
                : file.Size != expected.Size ? (CracReason.ImageIncomplete, $"has {file.Size} bytes where {expected.Size} were written")
                : expected.Sha256 is not null && file.Sha256 is not null && file.Sha256 != expected.Sha256 ? (CracReason.ImageCorrupt, "was changed after the checkpoint")
                : null;
            if (damage is var (reason, what))
            {
                return new ManifestDamage(reason, expected.Name, what, IsAdded: false);
            }
        }

        return found.Keys.FirstOrDefault(name => !mayBeAdded(name)) is { } added
            ? new ManifestDamage(CracReason.ImageCorrupt, added, "was added after the checkpoint", IsAdded: true)
            : null;
    }
}
