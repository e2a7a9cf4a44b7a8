using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Images.Operations;

/// <summary>Removes an image: only the files that belong to it.</summary>
internal static class ImageRemoval
{
    private const string ParentLink = "parent";

    // The files that criu and a CRaC JVM write in addition to the *.img files.
    private static readonly string[] OtherFiles =
    [
        ImageManifest.FileName, ImageManifest.SignatureFileName, "stats-dump", "stats-restore", "cppath", "perfdata", "tags", "score", "engine", "dump.log", "dump4.log", "restore.log", "restore4.log", "criu.log", ParentLink,
    ];

    /// <summary>
    /// Finds the images that have an image as their parent and cannot be restored without it. Searches the image's neighbours, where
    /// incremental images usually are.
    /// </summary>
    /// <param name="image">The image.</param>
    /// <returns>The paths of the images.</returns>
    internal static IReadOnlyList<string> FindChildren(CracImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        var children = new List<string>();
        using FolderHandle? own = FolderHandle.TryOpen(image.Path, out _);
        if (own is null || !own.TryGetStatus(out FileStatus parent))
        {
            return children;
        }

        foreach (string path in FindNeighbours(image))
        {
            if (IsChild(path, parent))
            {
                children.Add(path);
            }
        }

        return children;
    }

    /// <summary>The paths of what is in the folder of an image and under the image root, and of the images of services there.</summary>
    internal static IReadOnlyList<string> FindNeighbours(CracImage image)
    {
        var found = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string folder in new HashSet<string>(StringComparer.Ordinal) { Path.GetDirectoryName(image.Path)!, ImageRoot.Path })
        {
            using FolderHandle? above = FolderHandle.TryOpen(folder, out _);
            foreach (string name in above?.ReadNames() ?? [])
            {
                string path = Path.Combine(folder, name);
                found.Add(path);
                found.UnionWith(ImageSeries.Find(path));
            }
        }

        return [.. found];
    }

    /// <summary>Removes an image's files, the helper files outside it that its manifest lists, and its directory if it is then empty.</summary>
    /// <param name="image">The image.</param>
    /// <param name="force">Whether to remove it although it is the parent of other images.</param>
    /// <returns>The other files in the directory, which were left there; empty if the directory was removed.</returns>
    /// <exception cref="CracException">
    /// It is the parent of other images (<see cref="CracReason.ImageInUse"/>), a file could not be removed (<see cref="CracReason.PermissionDenied"/>),
    /// or the image is in an archive, which may contain other files (<see cref="CracReason.NotAnImage"/>).
    /// </exception>
    internal static IReadOnlyList<string> Remove(CracImage image, bool force)
    {
        ArgumentNullException.ThrowIfNull(image);
        try
        {
            RequireRemovable(image, force);
            return RemoveFiles(image);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Remove, processId: null, image.Path);
            throw;
        }
    }

    private static void RequireRemovable(CracImage image, bool force)
    {
        if (image.IsArchive)
        {
            throw new CracException(
                CracReason.NotAnImage, $"{image.Path} is an archive that contains an image, and may contain other files.", "Remove the file with Remove-Item.");
        }

        IReadOnlyList<string> children = FindChildren(image);
        if (children.Count > 0 && !force)
        {
            throw new CracException(
                CracReason.ImageInUse,
                $"The image {image.Path} is the parent of {children.Count} other {(children.Count == 1 ? "image" : "images")}: {string.Join(", ", children)}.",
                "Remove these images first, or add -Force; with -Force they can no longer be restored.");
        }
    }

    private static List<string> RemoveFiles(CracImage image)
    {
        int[] users = TrustedUsers.Read();
        using PathWalk walk = PathWalk.Along(image.Path);
        using FolderHandle folder = FolderHandle.OpenOwned(walk, image.Path, users);
        if (image.Source is not DirectoryImageSource source || !source.IsSameFolder(walk.Status))
        {
            throw ImageFault.Exchanged(image.Path);
        }

        RemoveHelperLinks(image, folder, users);

        // The inventory is removed first, so that an interrupted removal does not leave something that looks like an image.
        Require(image, folder.Delete("inventory.img"));
        var left = new List<string>();
        foreach (string name in folder.ReadNames() ?? [])
        {
            Errno errno = IsOfImage(name) ? folder.Delete(name) : Errno.EISDIR;
            if (errno == Errno.EISDIR)
            {
                left.Add(Path.Combine(image.Path, name));
            }
            else
            {
                Require(image, errno);
            }
        }

        if (left.Count == 0)
        {
            Require(image, walk.Parent is null ? Errno.EBUSY : LibC.Unlink(walk.Parent, Path.GetFileName(walk.Reached), LibC.AT_REMOVEDIR));
            RemoveLink(image.Path, users);
        }

        return left;
    }

    // The image may have been given by a symbolic link, which leads nowhere now.
    private static void RemoveLink(string path, int[] users)
    {
        using FolderHandle? above = FolderHandle.TryOpen(Path.GetDirectoryName(path)!, out _);
        string name = Path.GetFileName(path);
        if (above is not null && above.TryGetStatus(name, out FileStatus status, out _) && status.Type == FileType.SymbolicLink && users.Contains((int)status.UserId))
        {
            above.Delete(name);
        }
    }

    private static void RemoveHelperLinks(CracImage image, FolderHandle folder, int[] users)
    {
        if (image.Manifest is not { OutsideFiles.Count: > 0 } manifest || !IsOwnManifest(folder, users))
        {
            return;
        }

        HashSet<string> named = ManifestAgreement.ReadHelperLinks(image.Source);
        foreach (ImageManifestOutsideFile outside in manifest.OutsideFiles.Where(outside => named.Contains(outside.Path)))
        {
            Require(image, RemoveHelperLink(outside, users));
        }
    }

    /// <summary>
    /// The helper links of an image that is about to be replaced: those that its manifest and criu's files name. Empty where someone
    /// else could have written its manifest.
    /// </summary>
    internal static IReadOnlyList<ImageManifestOutsideFile> ReadHelperLinks(string path)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(path, out _);
        if (folder is null || !IsOwnManifest(folder, TrustedUsers.Read()))
        {
            return [];
        }

        var source = new DirectoryImageSource(folder);
        IReadOnlyList<ImageManifestOutsideFile> links = ImageManifest.Read(source)?.OutsideFiles ?? [];
        HashSet<string> named = links.Count == 0 ? [] : ManifestAgreement.ReadHelperLinks(source);
        return [.. links.Where(link => named.Contains(link.Path))];
    }

    /// <summary>Removes the helper links of an image that was replaced.</summary>
    internal static void RemoveHelperLinks(IReadOnlyList<ImageManifestOutsideFile> links)
    {
        int[] users = links.Count == 0 ? [] : TrustedUsers.Read();
        foreach (ImageManifestOutsideFile link in links)
        {
            _ = RemoveHelperLink(link, users);
        }
    }

    private static bool IsOwnManifest(FolderHandle folder, int[] users) =>
        folder.TryGetStatus(ImageManifest.FileName, out FileStatus status, out _) && users.Contains((int)status.UserId) && !status.IsWritableByOthers;

    // A manifest may list any path, and a restore consumes the links, after which others may have their names: only a name of
    // criu's that still leads to the file that it was made for is removed.
    private static Errno RemoveHelperLink(ImageManifestOutsideFile link, int[] users)
    {
        string name = Path.GetFileName(link.Path);
        if (!Path.IsPathFullyQualified(link.Path) || !ImageManifestOutsideFile.IsHelperLinkName(name))
        {
            return Errno.None;
        }

        using PathWalk walk = PathWalk.Along(Path.GetDirectoryName(link.Path)!);
        return walk.Folder is not null && walk.FindForeignLink(users) is null
            && FileStatus.TryReadAt(walk.Folder, name, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus status, out _)
            && status.Type == FileType.Regular && status.Inode == link.Inode && status.UserId == link.UserId
                ? LibC.Unlink(walk.Folder, name, 0)
                : Errno.None;
    }

    private static void Require(CracImage image, Errno errno)
    {
        if (errno is not (Errno.None or Errno.ENOENT))
        {
            throw new CracException(
                CracReason.PermissionDenied, $"The image {image.Path} could not be removed: {LibC.Message(errno)}.", "Remove it as its owner, or as root.");
        }
    }

    /// <summary>Whether a file name in an image's directory is one that criu, a CRaC JVM or this engine creates.</summary>
    internal static bool IsOfImage(string name) =>
        name.EndsWith(".img", StringComparison.Ordinal) || name.StartsWith(ImageManifestKeptFile.PerformanceCountersPrefix, StringComparison.Ordinal) || Array.IndexOf(OtherFiles, name) >= 0;

    private static bool IsChild(string path, in FileStatus parent)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(path, out _);
        if (folder?.ReadLink(ParentLink) is not { } target)
        {
            return false;
        }

        using PathWalk walk = PathWalk.Along(Path.Combine(path, target));
        return walk.Folder is not null && walk.Status.IsSameFile(parent);
    }
}
