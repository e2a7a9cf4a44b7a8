using System.Buffers;
using System.Text;
using PSCrac.Archives.Signatures;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Preflight.Subjects;
using PSCrac.Staging;

namespace PSCrac.Archives;

/// <summary>Signs an image with an SSH key, so that another machine can tell who made it and that it is as it was made.</summary>
internal static class ImageSigning
{
    private const uint PrivateFile = 0x180; // 0600

    /// <summary>
    /// Completes the manifest with the SHA-256 of every file that criu or a JVM reads, and writes a signature of the manifest beside it.
    /// Statistics and logs are not part of it. An incremental image is replaced by one that needs no parent: no signature could cover the
    /// pages that are in another folder.
    /// </summary>
    /// <param name="image">The image, in a folder.</param>
    /// <param name="keyPath">The full path of a private key, or of a public key whose private one an agent has.</param>
    /// <param name="cancellation">Ends it; the image is then as it was.</param>
    /// <returns>The image, opened again.</returns>
    /// <exception cref="CracException">
    /// It is an archive (<see cref="CracReason.NotAnImage"/>), someone else could have written it
    /// (<see cref="CracReason.ImageNotTrusted"/>), it is damaged, or ssh-keygen could not sign (<see cref="CracReason.SignatureInvalid"/>).
    /// </exception>
    internal static CracImage Sign(CracImage image, string keyPath, CancellationToken cancellation = default)
    {
        try
        {
            RequireFolder(image);
            using ImageTrust trust = ImageTrust.Examine(image.Path);
            if (!trust.IsTrusted)
            {
                CracFinding first = trust.Findings[0];
                throw new CracException(first.Reason, $"Who signs an image vouches for it, but {first.What}: {first.Why}", first.RecommendedAction);
            }

            FolderHandle folder = trust.Folder!;
            var source = new DirectoryImageSource(folder);
            foreach (CracImageFinding finding in ImageCheck.Run(CracImage.Open(source), cancellation))
            {
                throw new CracException(finding.Reason, finding.Message, "Make a new image with Invoke-CracCheckpoint, or copy it again.") { FileName = finding.FileName };
            }

            ImageManifest manifest = ImageManifest.Read(source) ?? throw NoManifest(image);
            if (source.Parent is null)
            {
                Write(image, folder, Complete(source, manifest, cancellation), keyPath, cancellation);
            }
            else
            {
                ReplaceByFlat(CracImage.Open(source), keyPath, cancellation);
            }

            return CracImage.Open(image.Path, cancellation);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Protect, processId: null, image.Path);
            throw;
        }
    }

    private static void RequireFolder(CracImage image)
    {
        if (image.IsArchive)
        {
            throw new CracException(CracReason.NotAnImage, $"{image.Path} is an archive, and what is signed is an image.", "Import it with Import-CracImage, sign the image, and export that.");
        }
    }

    // Images that have it as their parent find the same pages in it, and more.
    private static void ReplaceByFlat(CracImage image, string keyPath, CancellationToken cancellation)
    {
        using ImageStaging staging = ImageStaging.Create(image.Path, force: true);
        staging.HasProcess = false;
        try
        {
            UnpackedImage flat = ImageCopy.Run(image.Source, staging.Folder, maximumSize: null, progress: null, cancellation);
            if (flat.Others is [var other, ..])
            {
                throw new CracException(
                    CracReason.NotAnImage, $"The image {image.Path} is replaced by one without a parent, and {other} in its folder is not the image's.", "Move what is not the image's out of its folder.");
            }

            ImageManifest manifest = flat.RequireWhole().Manifest!;
            Write(image, staging.Folder, manifest with { Files = [.. flat.Files.OrderBy(static file => file.Name, StringComparer.Ordinal)] }, keyPath, cancellation);
            staging.Commit(sync: true);
        }
        catch
        {
            staging.RollBack();
            throw;
        }

        staging.Finish();
    }

    private static ImageManifest Complete(DirectoryImageSource source, ImageManifest manifest, CancellationToken cancellation)
    {
        var files = new List<ImageManifestFile>();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 20);
        try
        {
            foreach (ImageFileInfo info in source.Files)
            {
                if (ImageManifest.IsSealed(info.Name) && ImageRemoval.IsOfImage(info.Name))
                {
                    using ImageFile file = source.Open(info.Name, cancellation);
                    files.Add(new ImageManifestFile(info.Name, file.Length, ImageManifest.Hash(file, ref buffer)));
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return manifest with { Files = files };
    }

    private static void Write(CracImage image, FolderHandle folder, ImageManifest manifest, string keyPath, CancellationToken cancellation)
    {
        using var text = new MemoryStream();
        manifest.Write(text);
        byte[] signature = Sign(text.ToArray(), keyPath, cancellation);

        // Between the two the signature is not of the manifest, which is refused: signing the image again mends that.
        Errno errno = SmallFile.Write(folder, ImageManifest.FileName, text.ToArray(), PrivateFile, replaces: true, sync: true);
        errno = errno != 0 ? errno : SmallFile.Write(folder, ImageManifest.SignatureFileName, signature, PrivateFile, replaces: true, sync: true);
        errno = errno != 0 ? errno : LibC.Sync(folder.Handle);
        if (errno != 0)
        {
            throw new CracException(
                errno == Errno.ENOSPC ? CracReason.NoSpace : errno is Errno.EACCES or Errno.EPERM ? CracReason.PermissionDenied : CracReason.SealFailed,
                $"The signature of {image.Path} could not be written: {LibC.Message(errno)}.",
                "Look at the image's folder: its owner must be able to write there, and the disk must have space.");
        }
    }

    // What it writes goes through its output: given a file, it keeps the signature that lies beside it, and reports success.
    private static byte[] Sign(byte[] manifest, string keyPath, CancellationToken cancellation)
    {
        SshKeygenResult result = SshKeygen.Run(["-Y", "sign", "-n", SshKeygen.Namespace, "-f", keyPath], manifest, cancellation);
        byte[] text = Encoding.ASCII.GetBytes(result.Output);
        if (result.ExitCode == 0 && SshSignature.TryParse(text, out _, out _))
        {
            return text;
        }

        bool isEncrypted = result.Errors.Contains("passphrase", StringComparison.Ordinal);
        throw new CracException(
            CracReason.SignatureInvalid,
            isEncrypted
                ? $"The key {keyPath} has a passphrase, which is never asked for."
                : $"ssh-keygen could not sign with the key {keyPath}: {result.Errors.ReplaceLineEndings("; ")}",
            isEncrypted
                ? $"Add the key to an agent (ssh-add {keyPath}) and try again."
                : "Name a private key of yours, or a public key whose private one is in the agent that SSH_AUTH_SOCK names (ssh-add -l lists them).");
    }

    private static CracException NoManifest(CracImage image) => new(
        CracReason.ImageIncomplete,
        $"The image {image.Path} has no {ImageManifest.FileName}, which a signature would be over. criu and JVMs write none.",
        "Restore it, and make an image of the process with Invoke-CracCheckpoint.");
}
