using System.Diagnostics.CodeAnalysis;
using PSCrac.Interop;

namespace PSCrac.Images.Storage;

/// <summary>Creates and throws the exceptions about an image's files, outside the readers' hot paths.</summary>
internal static class ImageFault
{
    private const string DamagedAction =
        "Take the checkpoint again, or restore the file from an intact copy; Test-CracImage -Full lists all damage of an image.";

    /// <summary>Throws ImageCorrupt: the file's content is invalid.</summary>
    [DoesNotReturn]
    internal static void Corrupt(ImageFile file, long offset, string what) =>
        throw Create(CracReason.ImageCorrupt, file, offset, $"{file.Name} is damaged at offset {offset}: {what}.", DamagedAction);

    /// <summary>Throws ImageCorrupt: the image exceeds a limit.</summary>
    [DoesNotReturn]
    internal static void TooLarge(string imagePath, string name, string what) =>
        throw new CracException(CracReason.ImageCorrupt, $"The image {imagePath} is damaged: {what}.", DamagedAction)
        {
            ImagePath = imagePath,
            FileName = name,
            FileOffset = 0,
        };

    /// <summary>Throws ImageTooNew: the image is of a later criu than is known.</summary>
    [DoesNotReturn]
    internal static void TooNew(string imagePath, string name, string message) =>
        throw new CracException(CracReason.ImageTooNew, message, "Install a newer PSCrac; Get-Module PSCrac shows the version of this one.")
        {
            ImagePath = imagePath,
            FileName = name,
        };

    /// <summary>Throws ImageIncomplete: the file is shorter than its content requires.</summary>
    [DoesNotReturn]
    internal static void Truncated(ImageFile file, long offset, string what) =>
        throw Create(
            CracReason.ImageIncomplete,
            file,
            offset,
            $"{file.Name} is truncated: {what} at offset {offset}, but the file has {file.Length} bytes.",
            DamagedAction);

    /// <summary>Throws ImageIncomplete: a required file is missing.</summary>
    [DoesNotReturn]
    internal static void Missing(string imagePath, string name) =>
        throw new CracException(
            CracReason.ImageIncomplete,
            $"The image {imagePath} has no {name}.",
            "The checkpoint did not finish, or files were lost in copying: copy the whole directory again, or take the checkpoint again.")
        {
            ImagePath = imagePath,
            FileName = name,
        };

    /// <summary>The exception for a path that is not an image.</summary>
    internal static CracException NotAnImage(string path, string why) =>
        new(
            CracReason.NotAnImage,
            $"{path} is not an image: {why}.",
            "Name a directory that criu, a CRaC JVM or Invoke-CracCheckpoint wrote (it holds inventory.img); Get-CracImage lists the images it finds.")
        {
            ImagePath = path,
        };

    /// <summary>The exception for reading an archive that is encrypted.</summary>
    internal static CracException Encrypted(string path) =>
        new(
            CracReason.DecryptionFailed,
            $"{path} is encrypted with age, and what is in it cannot be read.",
            $"Import it: Import-CracImage '{path}' -Identity FILE, with the secret key of one of its recipients.")
        {
            ImagePath = path,
        };

    /// <summary>The exception for a file that the operating system cannot read.</summary>
    internal static CracException Unreadable(string imagePath, string name, Exception cause) =>
        new(
            cause is UnauthorizedAccessException ? CracReason.PermissionDenied : CracReason.ImageIncomplete,
            $"{name} of the image {imagePath} cannot be read: {cause.Message}",
            cause is UnauthorizedAccessException ? "An image belongs to the user who took the checkpoint: read it as that user, or as root." : null,
            cause)
        {
            ImagePath = imagePath,
            FileName = name,
        };

    /// <summary>The kernel did not let the file be read.</summary>
    internal static CracException Unreadable(string imagePath, string name, Errno errno) => Unreadable(
        imagePath,
        name,
        errno is Errno.EACCES or Errno.EPERM ? new UnauthorizedAccessException($"{LibC.Message(errno)}.") : new IOException($"{LibC.Message(errno)}."));

    /// <summary>A symbolic link stands where a file of the image should be.</summary>
    internal static CracException IsLink(string imagePath, string name) =>
        new(
            CracReason.ImageNotTrusted,
            $"{name} of the image {imagePath} is a symbolic link, and the files of an image are files: who may change what it leads to could change the image.",
            "Make a new copy of the image with its real files: cp -rL.")
        {
            ImagePath = imagePath,
            FileName = name,
        };

    /// <summary>Another directory stands where the image was.</summary>
    internal static CracException Exchanged(string imagePath) =>
        new(
            CracReason.ImageNotTrusted,
            $"{imagePath} is no longer the directory that was opened: it was replaced meanwhile.",
            "Open the image again with Get-CracImage.")
        {
            ImagePath = imagePath,
        };

    /// <summary>The way to what is to be changed is someone else's to decide.</summary>
    internal static CracException ForeignLink(string path, string link, uint user) =>
        new(
            CracReason.ImageNotTrusted,
            $"{path} is reached through the symbolic link {link} of user {user}, who decides where it leads.",
            "Give the path of the folder itself.")
        {
            ImagePath = path,
        };

    /// <summary>What is to be changed belongs to someone else.</summary>
    internal static CracException Foreign(string path, uint user) =>
        new(
            CracReason.ImageNotTrusted,
            $"{path} belongs to user {user}, who could have put anything there.",
            $"Do it as that user: sudo -u '#{user}' pwsh.")
        {
            ImagePath = path,
        };

    /// <summary>A path leads to no folder.</summary>
    internal static CracException Unreachable(string path, string reached, PathEnd end) =>
        new(
            end == PathEnd.Denied ? CracReason.PermissionDenied : CracReason.NotAnImage,
            $"{path} cannot be opened: {reached} {end switch
            {
                PathEnd.Denied => "may not be accessed by this user",
                PathEnd.NotAFolder => "is not a folder",
                PathEnd.TooManyLinks => "has too many levels of symbolic links",
                _ => "does not exist",
            }}.",
            end == PathEnd.Denied ? "Run this session as root (sudo pwsh), or ask its owner." : "Check the path.")
        {
            ImagePath = path,
        };

    private static CracException Create(CracReason reason, ImageFile file, long offset, string message, string recommendedAction) =>
        new(reason, message, recommendedAction)
        {
            ImagePath = file.ImagePath,
            FileName = file.Name,
            FileOffset = offset,
        };
}
