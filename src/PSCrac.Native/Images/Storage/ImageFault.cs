using System.Diagnostics.CodeAnalysis;

namespace PSCrac.Images.Storage;

/// <summary>What is thrown about an image's files, kept out of the readers' hot paths.</summary>
internal static class ImageFault
{
    private const string Damaged =
        "Take the checkpoint again, or put back a good copy of the file; Test-CracImage -Full lists everything that is wrong with an image.";

    /// <summary>The file's bytes are not what they should be.</summary>
    [DoesNotReturn]
    internal static void Corrupt(ImageFile file, long offset, string what) =>
        throw At(CracReason.ImageCorrupt, file, offset, $"{file.Name} is damaged at offset {offset}: {what}.", Damaged);

    /// <summary>The file ends before what it says it holds.</summary>
    [DoesNotReturn]
    internal static void CutShort(ImageFile file, long offset, string what) =>
        throw At(
            CracReason.ImageIncomplete,
            file,
            offset,
            $"{file.Name} is cut short: {what} at offset {offset}, but the file has {file.Length} bytes.",
            Damaged);

    /// <summary>A file that the image needs is not there.</summary>
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

    /// <summary>The path leads to something that is no image.</summary>
    internal static CracException NotAnImage(string path, string why) =>
        new(
            CracReason.NotAnImage,
            $"{path} is not an image: {why}.",
            "Name a directory that criu, a CRaC JVM or Invoke-CracCheckpoint wrote (it holds inventory.img); Get-CracImage lists the images it finds.")
        {
            ImagePath = path,
        };

    /// <summary>The operating system would not let the file be read.</summary>
    internal static CracException Unreadable(string imagePath, string name, Exception cause) =>
        new(
            cause is UnauthorizedAccessException ? CracReason.PermissionDenied : CracReason.ImageIncomplete,
            $"{name} of the image {imagePath} cannot be read: {cause.Message}",
            cause is UnauthorizedAccessException ? "An image belongs to whoever took the checkpoint: read it as that user, or as root." : null,
            cause)
        {
            ImagePath = imagePath,
            FileName = name,
        };

    private static CracException At(CracReason reason, ImageFile file, long offset, string message, string recommendedAction) =>
        new(reason, message, recommendedAction)
        {
            ImagePath = file.ImagePath,
            FileName = file.Name,
            FileOffset = offset,
        };
}
