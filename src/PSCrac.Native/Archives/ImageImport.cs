using Microsoft.Win32.SafeHandles;
using PSCrac.Archives.Signatures;
using PSCrac.Common;
using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Staging;

namespace PSCrac.Archives;

/// <summary>The image that was imported.</summary>
/// <param name="Image">The image.</param>
/// <param name="SignatureNote">What was found out about its signature, as sentences; null if it has none, or that is among the warnings.</param>
/// <param name="Warnings">What there is to say about it, as sentences.</param>
internal sealed record ImportResult(CracImage Image, string? SignatureNote, IReadOnlyList<string> Warnings);

/// <summary>Makes an image of an archive, or of an image in a folder of someone else's: staged, decided about, and put in place whole or not at all.</summary>
internal static class ImageImport
{
    /// <summary>Imports an archive or an image.</summary>
    /// <param name="request">What is imported, and where to.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves nothing.</param>
    /// <exception cref="CracException">It is refused or damaged, or the image cannot be written. Nothing is left of it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal static ImportResult Run(ImportRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default) =>
        Run(request, folder => Stage(request, folder, progress, cancellation), cancellation);

    /// <summary>Imports an image from where <paramref name="stage"/> gets it.</summary>
    /// <param name="request">Where to.</param>
    /// <param name="stage">Writes the image to an empty folder of the caller's own.</param>
    /// <param name="cancellation">Cancelling leaves nothing.</param>
    /// <exception cref="CracException">As above.</exception>
    internal static ImportResult Run(ImportRequest request, Func<FolderHandle, UnpackedImage> stage, CancellationToken cancellation)
    {
        try
        {
            using ImageStaging staging = ImageStaging.Create(request.ImagePath, request.Force);
            staging.HasProcess = false;
            IReadOnlyList<ImageManifestOutsideFile> replacedLinks = request.Force ? ImageRemoval.ReadHelperLinks(staging.TargetPath) : [];
            UnpackedImage unpacked;
            SignatureFinding signature;
            try
            {
                unpacked = stage(staging.Folder);
                signature = RequireAcceptable(unpacked, new SignatureRequirement(request.RequireSignature, request.AllowedSigners), cancellation);
                staging.RequireWritten(LibC.Sync(staging.Folder.Handle));
                cancellation.ThrowIfCancellationRequested();
                staging.Commit(sync: true);
            }
            catch
            {
                staging.RollBack();
                throw;
            }

            string? kept = staging.Finish();
            ImageRemoval.RemoveHelperLinks(replacedLinks);
            CracImage image = staging.OpenImage();
            string? note = signature switch
            {
                { Signer: { } signer } => $"The image was signed by {signer.Name}, with the key {signer.Key}.",
                { LacksFile: true } => signature.Doubt,
                _ => null,
            };
            return new ImportResult(image, note, [.. Describe(unpacked, image, signature, kept)]);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Import, processId: null, request.SourcePath);
            throw;
        }
    }

    /// <summary>Opens an archive.</summary>
    /// <exception cref="CracException">It cannot be read, or is none.</exception>
    internal static ArchiveReader Open(string path, IReadOnlyList<string> identities, CancellationToken cancellation)
    {
        SafeFileHandle file = ArchiveFile.TryOpen(path, out Errno errno) ?? throw (errno switch
        {
            Errno.EACCES or Errno.EPERM => new CracException(CracReason.PermissionDenied, $"{path} cannot be read: {LibC.Message(errno)}.", "Run this session as the owner of the file, or as root."),
            Errno.EISDIR => new CracException(CracReason.NotAnImage, $"{path} is a folder that cannot be opened.", "Run this session as its owner, or as root."),
            Errno.EINVAL => new CracException(CracReason.NotAnImage, $"{path} is not a regular file.", "Give the path of an archive."),
            _ => new CracException(CracReason.FileMissing, $"There is no archive {path}.", "Check the path."),
        });
        return ArchiveReader.Open(file, path, identities, cancellation);
    }

    /// <summary>The name that an imported image gets where none is given.</summary>
    internal static string NameFor(string sourcePath)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(sourcePath));
        using FolderHandle? folder = FolderHandle.TryOpen(sourcePath, out _);
        return folder is null ? ArchiveFormat.RemoveSuffixes(name) : name;
    }

    /// <summary>Decides about an image before it gets its name: the signature over its manifest, and what was written against the manifest.</summary>
    /// <returns>What was found out about its signature.</returns>
    /// <exception cref="CracException">It is refused.</exception>
    internal static SignatureFinding RequireAcceptable(UnpackedImage unpacked, SignatureRequirement requirement, CancellationToken cancellation)
    {
        SignatureFinding signature = requirement.Examine(new DirectoryImageSource(unpacked.Folder, unpacked.SourcePath), cancellation);
        return unpacked.RequireWhole().IsOneShot && unpacked.IsCopy
            ? throw new CracException(
                CracReason.ResourceUnsupported,
                $"The image {unpacked.SourcePath} can be restored only once: files that are open in it and have no name any more got helper links in folders outside of the image, which a copy would share with it.",
                "Restore it where it is. Take the checkpoint again when the program has closed these files.")
            : signature;
    }

    private static UnpackedImage Stage(ImportRequest request, FolderHandle folder, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        using FolderHandle? opened = FolderHandle.TryOpen(request.SourcePath, out _);
        if (opened is null)
        {
            using ArchiveReader archive = Open(request.SourcePath, request.Identities, cancellation);
            return Unpacking.Run(archive, request.SourcePath, folder, request.MaximumSize, progress);
        }

        // What its files say counts only when they are copied.
        var source = new DirectoryImageSource(opened, request.SourcePath);
        if (!source.Contains(ImageInventory.FileName))
        {
            throw ImageFault.NotAnImage(request.SourcePath, $"it has no {ImageInventory.FileName}");
        }

        return source.Parent is null || !source.Contains(ImageManifest.SignatureFileName)
            ? ImageCopy.Run(source, folder, request.MaximumSize, progress, cancellation)
            : throw new CracException(
                CracReason.SignatureInvalid,
                $"{request.SourcePath} is signed, and has a parent, whose memory no signature over this image covers.",
                "Have its maker sign it anew with Protect-CracImage, which takes in the memory of the parent.");
    }

    private static IEnumerable<string> Describe(UnpackedImage unpacked, CracImage image, SignatureFinding signature, string? kept)
    {
        if (signature is { Doubt: { } doubt, LacksFile: false })
        {
            yield return doubt;
        }

        if (unpacked.Others.Count > 0)
        {
            yield return $"{unpacked.SourcePath} has files that are not the image's, and were not imported: {string.Join(", ", unpacked.Others)}.";
        }

        if (unpacked.ContainerNote is { } note)
        {
            yield return note;
        }

        if (image.IsOneShot)
        {
            yield return $"The image {image.Path} needs helper links in folders outside of it, which an archive does not contain. It can be restored only where its checkpoint was taken, and only once.";
        }

        if (kept is not null)
        {
            yield return $"The image that was replaced could not be removed. It is now at {kept}.";
        }
    }
}
