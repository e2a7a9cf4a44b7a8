using PSCrac.Images.Manifest;
using PSCrac.Tests.Images.Manifest;

namespace PSCrac.Tests.Images;

/// <summary>The least that is an image: an inventory that nobody reads, and a manifest.</summary>
internal static class ManifestImage
{
    /// <summary>The names of the files of one.</summary>
    internal static readonly string[] Names = ["core-1.img", "dump.log", "inventory.img", "pages-1.img", "pscrac.json"];

    /// <summary>Makes one.</summary>
    /// <param name="path">A folder, which is made where it is missing.</param>
    /// <param name="edit">Changes its manifest.</param>
    internal static string Make(string path, Func<ImageManifest, ImageManifest>? edit = null)
    {
        Directory.CreateDirectory(path);
        foreach (string name in Names)
        {
            File.WriteAllText(Path.Combine(path, name), name);
        }

        using FileStream file = File.Create(Path.Combine(path, ImageManifest.FileName));
        ImageManifest sample = ImageManifestTests.Sample();
        (edit is null ? sample : edit(sample)).Write(file);
        return path;
    }

    /// <summary>What is in a folder, by name.</summary>
    internal static string[] NamesIn(string path) => [.. Directory.GetFileSystemEntries(path).Select(static each => Path.GetFileName(each)).Order(StringComparer.Ordinal)];
}
