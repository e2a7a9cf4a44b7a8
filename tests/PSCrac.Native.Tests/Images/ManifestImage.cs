using System.Text;
using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Tests.Images.Format;
using PSCrac.Tests.Images.Manifest;

namespace PSCrac.Tests.Images;

/// <summary>The least that is an image: an inventory that nobody reads, and a manifest.</summary>
internal static class ManifestImage
{
    /// <summary>The names of the files of one.</summary>
    internal static readonly string[] Names = ["core-1.img", "dump.log", "inventory.img", "pages-1.img", "pscrac.json"];

    private const uint RegularFile = 1; // REG of enum fd_types

    // remap_file_path_entry
    private const int OriginalId = 1;
    private const int RemapId = 2;

    // fown_entry: uid, euid, signum, pid_type, pid, all 0.
    private static readonly byte[] Fown = [8, 0, 16, 0, 24, 0, 32, 0, 40, 0];

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

    /// <summary>Gives it criu's files that name helper links: files.img with their paths, and remap-fpath.img with what they stand for.</summary>
    internal static string WithHelperLinks(this string image, params IEnumerable<string> links)
    {
        using var files = new MemoryStream();
        using var remaps = new MemoryStream();
        files.Write(ImageBytes.Head(ImageType.Files));
        remaps.Write(ImageBytes.Head(ImageType.RemapFpath));
        uint id = 1;
        foreach (string link in links)
        {
            ProtobufWriter reg = new ProtobufWriter().WriteVarint(Wire.RegFileEntry.Id, id).WriteVarint(Wire.RegFileEntry.Flags, 0).WriteVarint(Wire.RegFileEntry.Pos, 0)
                .WriteBytes(Wire.RegFileEntry.Fown, Fown).WriteBytes(Wire.RegFileEntry.Name, Encoding.UTF8.GetBytes(link));
            new ProtobufWriter().WriteVarint(Wire.FileEntry.Type, RegularFile).WriteVarint(Wire.FileEntry.Id, id).WriteBytes(Wire.FileEntry.Reg, reg.Message).WriteEntry(files);
            new ProtobufWriter().WriteVarint(OriginalId, id + 1000).WriteVarint(RemapId, id).WriteEntry(remaps);
            id++;
        }

        File.WriteAllBytes(Path.Combine(image, "files.img"), files.ToArray());
        File.WriteAllBytes(Path.Combine(image, "remap-fpath.img"), remaps.ToArray());
        return image;
    }

    /// <summary>What is in a folder, by name.</summary>
    internal static string[] NamesIn(string path) => [.. Directory.GetFileSystemEntries(path).Select(static each => Path.GetFileName(each)).Order(StringComparer.Ordinal)];
}
