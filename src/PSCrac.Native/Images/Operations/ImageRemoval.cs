using PSCrac.Common;
using PSCrac.Images.Manifest;

namespace PSCrac.Images.Operations;

/// <summary>Removes an image: only the files that belong to it.</summary>
internal static class ImageRemoval
{
    private const string ParentLink = "parent";

    // The files that criu and a CRaC JVM write in addition to the *.img files.
    private static readonly string[] OtherFiles =
    [
        ImageManifest.FileName, "stats-dump", "stats-restore", "cppath", "perfdata", "dump.log", "dump4.log", "restore.log", "restore4.log", "criu.log", ParentLink,
    ];

    /// <summary>
    /// Finds the images that have an image as their parent and cannot be restored without it. Searches the folder of the image
    /// and the image root, where incremental images usually are.
    /// </summary>
    /// <param name="image">The image.</param>
    /// <returns>The paths of the images.</returns>
    internal static IReadOnlyList<string> FindChildren(CracImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        var children = new List<string>();
        var folders = new HashSet<string>(StringComparer.Ordinal) { Path.GetDirectoryName(image.Path)!, ImageRoot.Path };
        foreach (string folder in folders)
        {
            if (!Directory.Exists(folder))
            {
                continue;
            }

            foreach (string each in Directory.EnumerateDirectories(folder))
            {
                if (IsChild(each, image.Path))
                {
                    children.Add(each);
                }
            }
        }

        return children;
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
        try
        {
            return RemoveEach(image);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CracException(
                CracReason.PermissionDenied, $"The image {image.Path} could not be removed: {e.Message}", "Remove it as its owner, or as root.", e);
        }
    }

    private static List<string> RemoveEach(CracImage image)
    {
        foreach (string outside in image.Manifest?.OutsideFiles ?? [])
        {
            if (IsHelperLink(outside))
            {
                File.Delete(outside);
            }
        }

        // The inventory is removed first, so that an interrupted removal does not leave something that looks like an image.
        File.Delete(Path.Combine(image.Path, "inventory.img"));
        var left = new List<string>();
        foreach (FileSystemInfo each in new DirectoryInfo(image.Path).EnumerateFileSystemInfos())
        {
            bool isLink = each.LinkTarget is not null;
            if (IsOfImage(each.Name) && (isLink || each is FileInfo))
            {
                each.Delete();
            }
            else
            {
                left.Add(each.FullName);
            }
        }

        if (left.Count == 0)
        {
            Directory.Delete(image.Path);
        }

        return left;
    }

    // A manifest may list any path. Only helper links of criu are removed (create_link_remap in criu/files-reg.c).
    private static bool IsHelperLink(string path)
    {
        const string Prefix = "link_remap.";
        string name = Path.GetFileName(path);
        return Path.IsPathFullyQualified(path)
            && name.StartsWith(Prefix, StringComparison.Ordinal)
            && name.Length > Prefix.Length
            && !name.AsSpan(Prefix.Length).ContainsAnyExceptInRange('0', '9');
    }

    /// <summary>Whether a file name in an image's directory is one that criu, a CRaC JVM or this engine creates.</summary>
    internal static bool IsOfImage(string name) =>
        name.EndsWith(".img", StringComparison.Ordinal) || Array.IndexOf(OtherFiles, name) >= 0;

    private static bool IsChild(string directory, string parent)
    {
        var link = new FileInfo(Path.Combine(directory, ParentLink));
        return link.LinkTarget is { } target && Path.TrimEndingDirectorySeparator(Path.GetFullPath(target, directory)) == parent;
    }
}
