using PSCrac.Images.Model;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Starting.Services;

/// <summary>An image of a service.</summary>
/// <param name="Path">Its folder.</param>
/// <param name="Created">When its checkpoint was taken, to the second, as its name says.</param>
/// <param name="IsSetAside">Whether it is not restored any more, since the program crashed after restores from it.</param>
internal sealed record ServiceImage(string Path, DateTime Created, bool IsSetAside);

/// <summary>The images of a service, in a folder with its name below the image root.</summary>
/// <param name="service">The service's name.</param>
internal sealed class ServiceImages(string service)
{
    /// <summary>The folder of the images. It need not exist.</summary>
    internal string Folder { get; } = ImageRoot.PathOf(service);

    /// <summary>All images, the newest first, also those that are set aside; empty if the folder does not exist.</summary>
    internal IReadOnlyList<ServiceImage> ReadAll()
    {
        var images = new List<ServiceImage>();
        foreach (string path in ImageSeries.Find(Folder))
        {
            if (ImageSeries.TryParseName(Path.GetFileName(path), out DateTime created, out bool isSetAside))
            {
                images.Add(new ServiceImage(path, created, isSetAside));
            }
        }

        images.Sort(static (one, other) => other.Created.CompareTo(one.Created));
        return images;
    }

    /// <summary>The images that may be restored, the newest first.</summary>
    internal IReadOnlyList<ServiceImage> ReadGood() => [.. ReadAll().Where(static image => !image.IsSetAside)];

    /// <summary>The path for a new image, whose name is after those of all others, even if the clock was set back.</summary>
    /// <param name="now">The time.</param>
    internal string CreatePath(DateTime now)
    {
        DateTime time = now.ToUniversalTime();
        if (ReadAll() is [{ Created: var newest }, ..] && time < newest.AddSeconds(1))
        {
            time = newest.AddSeconds(1);
        }

        return Path.Combine(Folder, ImageSeries.NameOf(time));
    }

    /// <summary>Sets an image aside, so that it is not restored any more.</summary>
    /// <param name="image">The image.</param>
    /// <returns>The image under its new name.</returns>
    /// <exception cref="CracException">It could not be renamed.</exception>
    internal ServiceImage SetAside(ServiceImage image)
    {
        using var folder = FolderHandle.OpenOwned(Folder, TrustedUsers.Read());
        string name = Path.GetFileName(image.Path);
        Errno errno = folder.Rename(name, folder, name + ImageSeries.SetAsideExtension, LibC.RENAME_NOREPLACE);
        return errno == 0 ? image with { Path = image.Path + ImageSeries.SetAsideExtension, IsSetAside = true } : throw new CracException(
            CracReason.PermissionDenied, $"The image {image.Path} could not be set aside: {LibC.Message(errno)}.", $"Remove it: Remove-CracImage {image.Path}")
        {
            ImagePath = image.Path,
        };
    }

    /// <summary>Removes the folder if nothing is in it.</summary>
    internal void RemoveFolder()
    {
        using FolderHandle? root = FolderHandle.TryOpen(Path.GetDirectoryName(Folder)!, out _);
        root?.DeleteFolder(Path.GetFileName(Folder));
    }

    /// <summary>
    /// The images that a service that keeps a number of them does not need: good ones after the newest, and all but the newest of those
    /// set aside. The newest good one is never among them.
    /// </summary>
    /// <param name="keep">How many are kept, from 1.</param>
    /// <returns>The images, the oldest first.</returns>
    internal IReadOnlyList<ServiceImage> FindRemovable(int keep)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        IReadOnlyList<ServiceImage> all = ReadAll();
        return [.. all.Where(static image => !image.IsSetAside).Skip(keep)
            .Concat(all.Where(static image => image.IsSetAside).Skip(1))
            .OrderBy(static image => image.Created)];
    }
}
