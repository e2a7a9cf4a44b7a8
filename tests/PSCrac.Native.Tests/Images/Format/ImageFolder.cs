using PSCrac.Images.Format;

namespace PSCrac.Tests.Images.Format;

/// <summary>The smallest image that can be read, in a temporary folder: process 7 with the descriptor table 2.</summary>
internal sealed class ImageFolder : IDisposable
{
    private readonly string _folder;

    /// <param name="parent">Where the folder is made; null for the usual temporary folder.</param>
    internal ImageFolder(string? parent = null)
    {
        _folder = System.IO.Path.Combine(parent ?? System.IO.Path.GetTempPath(), $"pscrac-entries-{Guid.NewGuid():n}");
        Directory.CreateDirectory(_folder);
        Write("inventory.img", ImageBytes.Head(ImageType.Inventory));
        Write("pstree.img", ImageBytes.Repeat(ImageType.Pstree, 1, _ => [(1, 7), (2, 0), (3, 7), (4, 7)]));
        Write("core-7.img", ImageBytes.Repeat(ImageType.Core, 1, _ => [(1, 1)]));
        Write("ids-7.img", ImageBytes.Repeat(ImageType.Ids, 1, _ => [(1, 1), (2, 2), (3, 1), (4, 1)]));
        foreach ((string name, ImageType type) in ((string, ImageType)[])[("fdinfo-2.img", ImageType.Fdinfo), ("files.img", ImageType.Files)])
        {
            Write(name, ImageBytes.Head(type));
        }
    }

    internal string Path => _folder;

    internal void Write(string name, byte[] bytes) => File.WriteAllBytes(System.IO.Path.Combine(_folder, name), bytes);

    /// <summary>Makes a file longer with a hole, which takes no space. One that does not exist gets its magic before it.</summary>
    internal void Extend(string name, long length)
    {
        if (!File.Exists(System.IO.Path.Combine(_folder, name)))
        {
            Write(name, ImageBytes.Head(name.Split('-')[0] switch
            {
                "fs" => ImageType.Fs,
                "mm" => ImageType.Mm,
                "pagemap" => ImageType.Pagemap,
                "netns" => ImageType.Netns,
                _ => throw new ArgumentException(name),
            }));
        }

        using FileStream file = File.OpenWrite(System.IO.Path.Combine(_folder, name));
        file.SetLength(length);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
