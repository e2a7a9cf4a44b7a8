using PSCrac.Archives.Signatures;
using PSCrac.Common;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Preflight.Subjects;
using PSCrac.Staging;

namespace PSCrac.Archives;

/// <summary>
/// An image that is unpacked for one restore, in a private folder below the state folder. The folder is locked by whoever uses it: the
/// session, and a page daemon, which outlives it. One that nobody uses was left by a session that was killed, and the next removes it.
/// </summary>
internal sealed class TemporaryImage : IDisposable
{
    private const uint Private = 0x1C0; // 0700
    private const string FolderName = "imports";
    private readonly FolderHandle _above;
    private readonly StagingFolder _folder;

    private TemporaryImage(FolderHandle above, StagingFolder folder)
    {
        _above = above;
        _folder = folder;
    }

    /// <summary>The path of the folder of all of them.</summary>
    internal static string Path => System.IO.Path.Combine(StateDirectory.Path, FolderName);

    /// <summary>Unpacks an archive.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="skipTrustCheck">Whether it may be written by others.</param>
    /// <param name="signature">What its signature must be. One that is required gives trust too.</param>
    /// <param name="image">The unpacked image.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves nothing.</param>
    /// <exception cref="CracException">The archive is refused or damaged, is encrypted, or is of a container.</exception>
    internal static TemporaryImage Unpack(CracImage archive, bool skipTrustCheck, SignatureRequirement signature, out CracImage image, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        if (archive.IsEncrypted)
        {
            throw ImageFault.Encrypted(archive.Path);
        }

        if (archive.Container is { } container)
        {
            throw new CracException(
                CracReason.NotAnImage, $"{archive.Path} is the archive of a container, which only its container engine can restore.", container.RestoreCommand(archive.Path));
        }

        using (ImageTrust trust = ImageTrust.ExamineFile(archive.Path))
        {
            if (!skipTrustCheck && !signature.IsRequired && trust.Findings is [var first, ..])
            {
                throw new CracException(first.Reason, $"{first.What}: {first.Why}", archive.ClaimedSigner is null
                    ? "If you trust where the archive comes from, import it with Import-CracImage, or give -SkipTrustCheck."
                    : "Give -RequireSignature: the signature of a signer whom you allow gives trust.");
            }
        }

        TemporaryImage temporary = Create();
        try
        {
            using ArchiveReader reader = ImageImport.Open(archive.Path, [], cancellation);
            UnpackedImage unpacked = Unpacking.Run(reader, archive.Path, temporary._folder.Folder, maximumSize: null, progress, isTemporary: true);
            ImageImport.RequireAcceptable(unpacked, signature, cancellation);

            // From now on others may use it too, and nobody remove it.
            LibC.TryLockShared(temporary._folder.Folder.Handle);
            image = CracImage.Open(temporary._folder.Path, cancellation);
            return temporary;
        }
        catch
        {
            temporary.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Unpacks an archive of which nothing is to be executed: it is only read. So it may be written by others, be of a container, and
    /// lack files that a restore needs.
    /// </summary>
    /// <param name="archive">The archive.</param>
    /// <param name="image">The unpacked image, with the path of the archive in messages.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves nothing.</param>
    /// <exception cref="CracException">The archive is damaged, or encrypted.</exception>
    internal static TemporaryImage UnpackToRead(CracImage archive, out CracImage image, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        if (archive.IsEncrypted)
        {
            throw ImageFault.Encrypted(archive.Path);
        }

        TemporaryImage temporary = Create();
        try
        {
            using ArchiveReader reader = ImageImport.Open(archive.Path, [], cancellation);
            image = Unpacking.Run(reader, archive.Path, temporary._folder.Folder, maximumSize: null, progress).Open();
            return temporary;
        }
        catch
        {
            temporary.Dispose();
            throw;
        }
    }

    /// <summary>Removes the folder.</summary>
    public void Dispose()
    {
        _folder.Folder.DeleteContents(TrustedUsers.Read());
        _folder.Parent.DeleteFolder(_folder.Name);
        _folder.Dispose();
        _above.Dispose();
    }

    private static TemporaryImage Create()
    {
        FolderHandle? above = FolderHandle.Make(Path, Private, out Errno errno);
        StagingFolder? folder = above is null ? null : StagingFolder.TryCreate(above, preferred: null, out errno);
        if (folder is not null)
        {
            return new TemporaryImage(above!, folder);
        }

        above?.Dispose();
        throw new CracException(CracReason.PermissionDenied, $"No folder for the unpacked image could be made in {Path}: {LibC.Message(errno)}.", "Import the archive with Import-CracImage, and restore the image.");
    }
}
