using Microsoft.Win32.SafeHandles;
using PSCrac.Archives.Signatures;
using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Staging;

namespace PSCrac.Archives;

/// <summary>The image that was made of an archive.</summary>
/// <param name="Image">The image.</param>
/// <param name="Signer">Who signed it, and with which key; null where that was not verified.</param>
/// <param name="Warnings">What there is to say about it, as sentences.</param>
internal sealed record ImportResult(CracImage Image, string? Signer, IReadOnlyList<string> Warnings);

/// <summary>Makes an image of an archive: staged, decided about, and put in place whole or not at all.</summary>
internal static class ImageImport
{
    /// <summary>Imports an archive.</summary>
    /// <param name="request">The archive and the image.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves nothing.</param>
    /// <exception cref="CracException">The archive is refused or damaged, or the image cannot be written. Nothing is left of it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal static ImportResult Run(ImportRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        try
        {
            using ImageStaging staging = ImageStaging.Create(request.ImagePath, request.Force);
            staging.HasProcess = false;
            IReadOnlyList<ImageManifestOutsideFile> replacedLinks = request.Force ? ImageRemoval.ReadHelperLinks(staging.TargetPath) : [];
            UnpackedImage unpacked;
            string? signer;
            try
            {
                using ArchiveReader archive = Open(request.ArchivePath, request.Identities, cancellation);
                unpacked = Unpacking.Run(archive, request.ArchivePath, staging.Folder, request.MaximumSize, progress);
                signer = RequireAcceptable(unpacked, request.Signature, cancellation);
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
            return new ImportResult(image, signer, [.. Describe(unpacked, image, kept)]);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Import, processId: null, request.ArchivePath);
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
            Errno.EISDIR => new CracException(CracReason.NotAnImage, $"{path} is a folder, and an archive is a file.", "Restore-CracProcess takes the folder of an image as it is."),
            Errno.EINVAL => new CracException(CracReason.NotAnImage, $"{path} is not a regular file.", "Give the path of an archive."),
            _ => new CracException(CracReason.FileMissing, $"There is no archive {path}.", "Check the path."),
        });
        return ArchiveReader.Open(file, path, identities, cancellation);
    }

    /// <summary>The name that the image of an archive gets where none is given.</summary>
    internal static string NameFor(string archivePath) => ArchiveFormat.RemoveSuffixes(Path.GetFileName(archivePath));

    /// <summary>Decides about an image before it gets its name: the signature over its manifest, and what was written against the manifest.</summary>
    /// <returns>Who signed it; null if nobody has to.</returns>
    /// <exception cref="CracException">It is refused.</exception>
    internal static string? RequireAcceptable(UnpackedImage unpacked, SignatureRequirement? signature, CancellationToken cancellation)
    {
        VerifiedSigner? signer = signature is null
            ? null
            : SignatureCheck.Verify(new DirectoryImageSource(unpacked.Folder, unpacked.ArchivePath), signature.AllowedSigners, cancellation);
        unpacked.RequireWhole();
        return signer is null ? null : $"{signer.Name} ({signer.Key})";
    }

    private static IEnumerable<string> Describe(UnpackedImage unpacked, CracImage image, string? kept)
    {
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
