using PSCrac.Images.Manifest;

namespace PSCrac.Images.Operations;

/// <summary>Removing an image: what belongs to it, and nothing else.</summary>
internal static class ImageRemoval
{
    private const string ParentLink = "parent";

    // What criu and a CRaC JVM write beside the *.img files.
    private static readonly string[] OtherFiles =
    [
        ImageManifest.FileName, "stats-dump", "stats-restore", "cppath", "perfdata", "dump.log", "dump4.log", "restore.log", "restore4.log", "criu.log", ParentLink,
    ];

    /// <summary>
    /// The images that have an image as their parent, and so cannot be restored without it. Looked for beside the image
    /// and under the image root, where a chain of images normally stands.
    /// </summary>
    /// <param name="image">The image.</param>
    /// <returns>Their paths.</returns>
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

    /// <summary>Removes an image's files, the helper files outside it that its manifest names, and its directory if that is then empty.</summary>
    /// <param name="image">The image.</param>
    /// <param name="force">Whether it is removed although other images build on it.</param>
    /// <returns>What else is in the directory and was left there; empty where the directory is gone.</returns>
    /// <exception cref="CracException">
    /// Other images build on it (<see cref="CracReason.ImageInUse"/>), a file could not be removed (<see cref="CracReason.PermissionDenied"/>),
    /// or the image is in an archive, which may hold anything else (<see cref="CracReason.NotAnImage"/>).
    /// </exception>
    internal static IReadOnlyList<string> Remove(CracImage image, bool force)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (image.IsArchive)
        {
            throw new CracException(
                CracReason.NotAnImage, $"{image.Path} is an archive with an image in it, and may hold more than that.", "Remove the file with Remove-Item.")
            {
                ImagePath = image.Path,
            };
        }

        IReadOnlyList<string> children = FindChildren(image);
        if (children.Count > 0 && !force)
        {
            throw new CracException(
                CracReason.ImageInUse,
                $"The image {image.Path} holds pages that {children.Count} other {(children.Count == 1 ? "image builds" : "images build")} on: {string.Join(", ", children)}.",
                "Remove those first, or add -Force; they can then not be restored any more.")
            {
                ImagePath = image.Path,
            };
        }

        try
        {
            return RemoveFiles(image);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CracException(
                CracReason.PermissionDenied, $"The image {image.Path} could not be removed: {e.Message}", "Remove it as its owner, or as root.", e)
            {
                ImagePath = image.Path,
            };
        }
    }

    private static List<string> RemoveFiles(CracImage image)
    {
        foreach (string outside in image.Manifest?.OutsideFiles ?? [])
        {
            if (IsHelperLink(outside))
            {
                File.Delete(outside);
            }
        }

        // The inventory goes first: what is left of an interrupted removal is then no image any more.
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

    // A manifest may name anything. Only what criu itself makes outside an image is removed (create_link_remap in criu/files-reg.c).
    private static bool IsHelperLink(string path)
    {
        const string Prefix = "link_remap.";
        string name = Path.GetFileName(path);
        return Path.IsPathFullyQualified(path)
            && name.StartsWith(Prefix, StringComparison.Ordinal)
            && name.Length > Prefix.Length
            && !name.AsSpan(Prefix.Length).ContainsAnyExceptInRange('0', '9');
    }

    /// <summary>Whether a file of this name in an image's directory is one that criu, a CRaC JVM or this engine has made.</summary>
    internal static bool IsOfImage(string name) =>
        name.EndsWith(".img", StringComparison.Ordinal) || Array.IndexOf(OtherFiles, name) >= 0;

    private static bool IsChild(string directory, string parent)
    {
        var link = new FileInfo(Path.Combine(directory, ParentLink));
        return link.LinkTarget is { } target && Path.TrimEndingDirectorySeparator(Path.GetFullPath(target, directory)) == parent;
    }
}
