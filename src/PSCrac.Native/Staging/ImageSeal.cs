using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Manifest;
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
            staging.RequireWritten(Write(staging.Handle, staging.CurrentPath, manifest, sync, mayBelongToOthers: false));
        }
        catch (IOException e)
        {
            throw staging.SealFailed(e.Message, e);
        }

        cancellation.ThrowIfCancellationRequested();
        staging.Commit(sync);
    }

    /// <summary>Seals an image that was written at its final path.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="manifest">Its manifest, without the list of files.</param>
    /// <param name="sync">Whether it is synced to the disk (fsync(2)).</param>
    /// <exception cref="IOException">It could not be written.</exception>
    internal static void SealInPlace(string path, ImageManifest manifest, bool sync)
    {
        using SafeFileHandle folder = LibC.Open(path, LibC.O_RDONLY | LibC.O_DIRECTORY, out Errno errno);
        errno = errno != 0 ? errno : Write(folder, path, manifest, sync, mayBelongToOthers: true);
        if (errno != 0)
        {
            throw new IOException(LibC.Message(errno));
        }
    }

    private static Errno Write(SafeFileHandle folder, string path, ImageManifest manifest, bool sync, bool mayBelongToOthers)
    {
        IReadOnlyList<ImageManifestFile> files = ImageManifest.Describe(path);
        using SafeFileHandle file = LibC.OpenAt(
            folder, ImageManifest.FileName, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_EXCL | LibC.O_NOFOLLOW, out Errno errno, PrivateFile);
        if (errno != 0)
        {
            return errno;
        }

        // criu creates its files readable by all, and relies on the directory's mode; a copy might lose that. The files of a criu
        // with the set-user-ID bit belong to root: their mode cannot be changed.
        foreach (ImageManifestFile each in files)
        {
            errno = LibC.ChangeMode(folder, each.Name, PrivateFile);
            if (errno != 0 && !mayBelongToOthers)
            {
                return errno;
            }
        }

        (manifest with { Files = files }).Write(file);
        return sync ? Sync(folder, file, files) : Errno.None;
    }

    private static Errno Sync(SafeFileHandle folder, SafeFileHandle manifest, IReadOnlyList<ImageManifestFile> files)
    {
        Errno errno = LibC.Sync(manifest);
        foreach (ImageManifestFile each in files)
        {
            if (errno != 0)
            {
                return errno;
            }

            using SafeFileHandle file = LibC.OpenAt(folder, each.Name, LibC.O_RDONLY | LibC.O_NOFOLLOW, out errno);
            errno = errno != 0 ? errno : LibC.Sync(file);
        }

        return errno != 0 ? errno : LibC.Sync(folder);
    }
}
