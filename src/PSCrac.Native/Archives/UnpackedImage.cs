using PSCrac.Images.Manifest;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;

namespace PSCrac.Archives;

/// <summary>
/// An image as it was unpacked or copied into a folder that belongs to the caller alone. Nothing of it was used yet: what decides about it does so
/// here, and <see cref="Files"/> are the bytes that are in the folder.
/// </summary>
internal sealed class UnpackedImage
{
    /// <summary>The folder.</summary>
    internal required FolderHandle Folder { get; init; }

    /// <summary>The full path of the archive, or of the folder that it was copied from.</summary>
    internal required string SourcePath { get; init; }

    /// <summary>Whether it was copied from a folder.</summary>
    internal bool IsCopy { get; init; }

    /// <summary>The names of files in the folder that were left out, since they are not the image's.</summary>
    internal IReadOnlyList<string> Others { get; init; } = [];

    /// <summary>The files that criu or a JVM would read, with the SHA-256 of what was written of each; without the manifest and its signature.</summary>
    internal required IReadOnlyList<ImageManifestFile> Files { get; init; }

    /// <summary>What the image loses outside of the container engine that made it; null if none did.</summary>
    internal string? ContainerNote { get; init; }

    /// <summary>Reads the image, with the path of its source in messages.</summary>
    internal CracImage Open() => CracImage.Open(new DirectoryImageSource(Folder, SourcePath));

    /// <summary>Refuses an image that is not whole, or that has a file which the manifest does not name.</summary>
    /// <returns>The image.</returns>
    /// <exception cref="CracException"><see cref="CracReason.ImageIncomplete"/>, <see cref="CracReason.ImageCorrupt"/>, <see cref="CracReason.NotAnImage"/>.</exception>
    internal CracImage RequireWhole()
    {
        CracImage image = Open();
        if (image.Manifest is not { } manifest)
        {
            return image.IsRestorable(out string? missing) ? image : throw Damaged(CracReason.ImageIncomplete, missing, "is missing or cut short");
        }

        if (ManifestDamage.Find(manifest, Files, static _ => false) is { } damage)
        {
            throw Damaged(damage.Reason, damage.FileName, damage.IsAdded ? "would be read by a restore, and its manifest does not name it" : damage.What);
        }

        return ManifestAgreement.FindContradictions(image).FirstOrDefault() is { } contradiction
            ? throw Damaged(CracReason.ImageCorrupt, ImageManifest.FileName, contradiction)
            : image;
    }

    private CracException Damaged(CracReason reason, string file, string what) => new(
        reason,
        $"The image in {SourcePath} is damaged: its file {file} {what}.",
        IsCopy ? "Get the image again from its source, with all of its files." : "Copy the archive again, or export the image again with Export-CracImage.")
    {
        ImagePath = SourcePath,
        FileName = file,
    };
}
