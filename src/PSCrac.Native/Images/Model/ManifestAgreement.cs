using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Model;

/// <summary>
/// Compares what a manifest says with criu's own files: a restore restores what is in those, whatever the manifest says. And a restore or
/// a removal writes, renames and deletes outside of the image only what criu's files name.
/// </summary>
internal static class ManifestAgreement
{
    /// <summary>What in a manifest contradicts criu's files, as the rest of a sentence that begins with the manifest's name; empty if nothing does.</summary>
    /// <param name="image">The image.</param>
    /// <exception cref="CracException">criu's files are damaged.</exception>
    internal static IEnumerable<string> FindContradictions(CracImage image)
    {
        if (image.Manifest is not { } manifest)
        {
            yield break;
        }

        if (manifest.Process.RootPid != image.Processes[0].ProcessId)
        {
            yield return $"says that the root is process {manifest.Process.RootPid}, and pstree.img that it is process {image.Processes[0].ProcessId}";
        }

        if (manifest.Process.ProcessCount != image.Processes.Count)
        {
            yield return $"says that there are {manifest.Process.ProcessCount} processes, and pstree.img that there are {image.Processes.Count}";
        }

        if (manifest.Process.ThreadCount != image.ThreadIds.Count)
        {
            yield return $"says that there are {manifest.Process.ThreadCount} threads, and pstree.img that there are {image.ThreadIds.Count}";
        }

        if (manifest.OneShot != image.HasHelperLinks)
        {
            yield return image.HasHelperLinks
                ? "says that the image can be restored more than once, and remap-fpath.img has helper links, which a restore consumes"
                : "says that the image can be restored only once, and remap-fpath.img has no helper links";
        }

        foreach (string contradiction in FindOutside(image, manifest))
        {
            yield return contradiction;
        }
    }

    /// <summary>The full paths of the helper links that criu's files name; none if these are damaged.</summary>
    internal static HashSet<string> ReadHelperLinks(ImageSource source)
    {
        try
        {
            List<Remap> linked = [.. RemapTable.Read(source).Where(static remap => remap.Type == Remap.Linked)];
            var files = linked.Count == 0 ? null : new OpenFileTable(source);
            return [.. linked.Select(remap => FullPath(files!.PathOf(remap.Id)))];
        }
        catch (CracException)
        {
            return [];
        }
    }

    /// <summary>Whether a socket of the image was bound to a path, and another path is in the same folder, which is where a renamed socket is looked for.</summary>
    internal static bool IsRenamedSocket(CracImage image, string bound, string path) =>
        bound.StartsWith('/') && Path.GetDirectoryName(path) == Path.GetDirectoryName(bound) && Path.GetFileName(path) is not ("" or "." or "..")
        && image.OpenFiles.All.Any(file => file.GetRecord("usk") is { } socket && OpenFileTable.FormatUnixName(socket) == bound);

    private static IEnumerable<string> FindOutside(CracImage image, ImageManifest manifest)
    {
        HashSet<string> links = manifest.OutsideFiles.Count == 0 ? [] : ReadHelperLinks(image.Source);
        foreach (ImageManifestOutsideFile outside in manifest.OutsideFiles)
        {
            if (!links.Contains(outside.Path))
            {
                yield return $"names the helper link {outside.Path}, which is none of those in remap-fpath.img";
            }
        }

        foreach ((string bound, string path) in manifest.Process.RenamedSockets)
        {
            if (!IsRenamedSocket(image, bound, path))
            {
                yield return $"says that the unix socket {bound} was renamed to {path}, and files.img has no such socket in that folder";
            }
        }

        foreach (ImageManifestKeptFile kept in manifest.KeptFiles)
        {
            const uint Permissions = 0x1ff; // 0777
            CracImageRecord? file = image.OpenFiles.All.Select(static each => each.GetRecord("reg")).FirstOrDefault(reg => reg is not null && FullPath(reg.GetText("name") ?? "") == kept.Path);
            if (file is null)
            {
                yield return $"says that the image holds the content of {kept.Path}, which is none of the files in files.img";
            }
            else if (file.ContainsKey("mode") && (uint)kept.Mode != ((uint)file.GetNumber("mode") & Permissions))
            {
                yield return $"has another mode of {kept.Path} than files.img";
            }
        }
    }

    // criu has some paths without the first slash.
    private static string FullPath(string path) => "/" + path.TrimStart('/');
}
