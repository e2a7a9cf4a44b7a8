using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Manifest;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Staging;

/// <summary>
/// Turns a folder with criu's files into an image: writes the manifest with the list of the files, makes them private to the
/// user, and syncs all of it to the disk.
/// </summary>
internal static class ImageSeal
{
    private const uint PrivateFile = 0x180; // 0600

    /// <summary>Seals a staged image and renames it to its target.</summary>
    /// <param name="staging">The image.</param>
    /// <param name="manifest">Its manifest, without the list of files.</param>
    /// <param name="sync">Whether it is synced to the disk (fsync(2)).</param>
    /// <param name="cancellation">Checked until the rename.</param>
    /// <exception cref="CracException">
    /// It could not be written (<see cref="CracReason.NoSpace"/>, <see cref="CracReason.SealFailed"/>), or its target was created in
    /// the meantime (<see cref="CracReason.ImageExists"/>).
    /// </exception>
    internal static void Commit(ImageStaging staging, ImageManifest manifest, bool sync, CancellationToken cancellation = default)
    {
        try
        {
            staging.RequireWritten(Write(staging.Folder, manifest, sync, mayBelongToOthers: false));
        }
        catch (IOException e)
        {
            throw staging.SealFailed(e.Message, e);
        }

        cancellation.ThrowIfCancellationRequested();
        staging.Commit(sync);
    }

    /// <summary>Seals an image that was written at its final path.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="manifest">Its manifest, without the list of files.</param>
    /// <param name="sync">Whether it is synced to the disk (fsync(2)).</param>
    /// <exception cref="IOException">It could not be written.</exception>
    internal static void SealInPlace(FolderHandle folder, ImageManifest manifest, bool sync)
    {
        Errno errno = Write(folder, manifest, sync, mayBelongToOthers: true);
        if (errno != 0)
        {
            throw new IOException(LibC.Message(errno));
        }
    }

    private static Errno Write(FolderHandle folder, ImageManifest manifest, bool sync, bool mayBelongToOthers)
    {
        IReadOnlyList<ImageManifestFile> files = ImageManifest.Describe(folder);
        manifest = WithTree(manifest, folder);
        using SafeFileHandle file = folder.Create(ImageManifest.FileName, out Errno errno, PrivateFile);
        if (errno != 0)
        {
            return errno;
        }

        // Whatever the umask is.
        errno = folder.ChangeMode(ImageManifest.FileName, PrivateFile);
        if (errno != 0)
        {
            return errno;
        }

        // criu creates its files readable by all, and relies on the directory's mode; a copy might lose that. The files of a criu
        // with the set-user-ID bit belong to root: their mode cannot be changed.
        foreach (ImageManifestFile each in files)
        {
            errno = folder.ChangeMode(each.Name, PrivateFile);
            if (errno != 0 && !mayBelongToOthers)
            {
                return errno;
            }
        }

        // Logs and statistics are not in the manifest, and tell of the process, too.
        foreach (ImageFileInfo other in new DirectoryImageSource(folder).Files)
        {
            if (!ImageManifest.IsSealed(other.Name))
            {
                folder.ChangeMode(other.Name, PrivateFile);
            }
        }

        (manifest with { Files = files }).Write(file);
        return sync ? Sync(folder, file, files) : Errno.None;
    }

    // The tree as criu has it: processes may have started and ended since the manifest was begun.
    private static ImageManifest WithTree(ImageManifest manifest, FolderHandle folder)
    {
        CracImage image = CracImage.Open(new DirectoryImageSource(folder));
        return manifest with
        {
            Process = manifest.Process with
            {
                RootPid = image.Processes[0].ProcessId,
                ProcessCount = image.Processes.Count,
                ThreadCount = image.ThreadIds.Count,
                RenamedSockets = manifest.Process.RenamedSockets.Where(each => ManifestAgreement.IsRenamedSocket(image, each.Key, each.Value)).ToDictionary(),
            },
            OneShot = image.HasHelperLinks,
        };
    }

    private static Errno Sync(FolderHandle folder, SafeFileHandle manifest, IReadOnlyList<ImageManifestFile> files)
    {
        Errno errno = LibC.Sync(manifest);
        foreach (ImageManifestFile each in files)
        {
            if (errno != 0)
            {
                return errno;
            }

            using SafeFileHandle file = folder.OpenToRead(each.Name, out errno);
            errno = errno != 0 ? errno : LibC.Sync(file);
        }

        return errno != 0 ? errno : LibC.Sync(folder.Handle);
    }
}
