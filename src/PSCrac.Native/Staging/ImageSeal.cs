using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Manifest;
using PSCrac.Interop;

namespace PSCrac.Staging;

/// <summary>
/// Makes an image of a folder with criu's files in it: the manifest is written, with the list of the files; nobody else may
/// read them; and all of it is on the disk.
/// </summary>
internal static class ImageSeal
{
    private const uint PrivateFile = 0x180; // 0600

    /// <summary>Seals a staged image and gives it its name.</summary>
    /// <param name="staging">The image.</param>
    /// <param name="manifest">Its manifest, but for the list of files.</param>
    /// <param name="sync">Whether it is written through to the disk.</param>
    /// <param name="cancellation">Heeded as long as the image has no name.</param>
    /// <exception cref="CracException">
    /// It could not be written (<see cref="CracReason.NoSpace"/>, <see cref="CracReason.SealFailed"/>), or something appeared at its
    /// place meanwhile (<see cref="CracReason.ImageExists"/>).
    /// </exception>
    internal static void Commit(ImageStaging staging, ImageManifest manifest, bool sync, CancellationToken cancellation = default)
    {
        try
        {
            staging.RequireWritten(Write(staging.Handle, staging.CurrentPath, manifest, sync, mayBeOthers: false));
        }
        catch (IOException e)
        {
            throw staging.SealFailed(e.Message, e);
        }

        cancellation.ThrowIfCancellationRequested();
        staging.Commit(sync);
    }

    /// <summary>Seals an image that was written where it is to stay.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="manifest">Its manifest, but for the list of files.</param>
    /// <param name="sync">Whether it is written through to the disk.</param>
    /// <exception cref="IOException">It could not be written.</exception>
    internal static void InPlace(string path, ImageManifest manifest, bool sync)
    {
        using SafeFileHandle folder = LibC.Open(path, LibC.O_RDONLY | LibC.O_DIRECTORY, out Errno errno);
        errno = errno != 0 ? errno : Write(folder, path, manifest, sync, mayBeOthers: true);
        if (errno != 0)
        {
            throw new IOException(LibC.Message(errno));
        }
    }

    private static Errno Write(SafeFileHandle folder, string path, ImageManifest manifest, bool sync, bool mayBeOthers)
    {
        IReadOnlyList<ImageManifestFile> files = ImageManifest.Describe(path);
        using SafeFileHandle file = LibC.OpenAt(
            folder, ImageManifest.FileName, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_EXCL | LibC.O_NOFOLLOW, out Errno errno, PrivateFile);
        if (errno != 0)
        {
            return errno;
        }

        // criu makes its files readable by all and trusts the directory to keep others out; a copy would not. One with the
        // set-user-id bit makes them root's: then they stay as they are.
        foreach (ImageManifestFile each in files)
        {
            errno = LibC.ChangeMode(folder, each.Name, PrivateFile);
            if (errno != 0 && !mayBeOthers)
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
