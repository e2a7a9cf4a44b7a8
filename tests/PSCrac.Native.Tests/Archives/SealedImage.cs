using PSCrac.Archives;
using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;
using PSCrac.Staging;
using PSCrac.Tests.Images.Format;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Archives;

/// <summary>A small image with a manifest and with pages, in a folder in which its archives are made too.</summary>
internal sealed class SealedImage : IDisposable
{
    internal const int PagesSize = 3 << 20;

    private readonly TemporaryFolder _folder = new();
    private readonly ImageFolder _image;

    internal SealedImage(Action<ImageFolder>? change = null)
    {
        _image = new ImageFolder(_folder.FullPath);
        byte[] pages = new byte[PagesSize];
        new Random(7).NextBytes(pages.AsSpan(0, PagesSize / 2));
        _image.Write("pages-1.img", pages);
        change?.Invoke(_image);
        using FolderHandle folder = FolderHandle.TryOpen(_image.Path, out _)!;
        ImageSeal.SealInPlace(folder, new ImageManifest
        {
            Created = new DateTimeOffset(2026, 5, 4, 3, 2, 1, TimeSpan.Zero),
            Host = new ImageManifestHost { Name = "there" },
            Process = new ImageManifestProcess { RootPid = 7 },
        }, sync: false);
    }

    internal string Path => _image.Path;

    internal CracImage Image => CracImage.Open(Path);

    /// <summary>The folder above.</summary>
    internal string Above => _folder.FullPath;

    internal string At(string name) => _folder.At(name);

    internal void Write(string name, byte[] bytes) => _image.Write(name, bytes);

    /// <summary>What is beside the image, by name.</summary>
    internal string[] NamesBeside() => [.. _folder.Names().Where(name => name != System.IO.Path.GetFileName(Path))];

    internal ExportRequest Export(string name, CracArchiveCompression compression = CracArchiveCompression.Zstd) =>
        new() { Image = Image, DestinationPath = At(name), Compression = compression };

    internal string Exported(string name, CracArchiveCompression compression = CracArchiveCompression.Zstd)
    {
        ImageExport.Run(Export(name, compression));
        return At(name);
    }

    internal ImportRequest Import(string archive) => new() { SourcePath = At(archive), ImagePath = At("imported") };

    /// <summary>The files of a folder with their content.</summary>
    internal static SortedDictionary<string, string> ContentOf(string folder)
    {
        var content = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string file in Directory.GetFiles(folder))
        {
            content.Add(System.IO.Path.GetFileName(file), Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file))));
        }

        return content;
    }

    public void Dispose()
    {
        _image.Dispose();
        _folder.Dispose();
    }
}
