using PSCrac.Archives;
using PSCrac.Images.Format;
using PSCrac.Stores;
using PSCrac.Tests.Archives;
using PSCrac.Tests.Images.Format;

namespace PSCrac.Tests.Stores;

/// <summary>An image whose pages have addresses, and a store beside it.</summary>
internal sealed class StoredScene : IDisposable
{
    private const uint Present = 4;
    private readonly SealedImage _image;

    /// <param name="pages">The content of the pages; null for some that compress by half.</param>
    /// <param name="isMapped">Whether the pages have addresses.</param>
    /// <param name="map">The name of the pagemap.</param>
    internal StoredScene(byte[]? pages = null, bool isMapped = true, string map = "pagemap-7.img")
    {
        _image = new SealedImage(folder =>
        {
            if (pages is not null)
            {
                folder.Write("pages-1.img", pages);
            }

            if (isMapped)
            {
                folder.Write(map, PageMapOf((pages?.Length ?? SealedImage.PagesSize) / 4096));
            }
        });
    }

    internal SealedImage Image => _image;

    internal string StorePath => _image.At("store");

    internal StoreName Name(string tag) => StoreName.Parse($"oci:{StorePath}:{tag}");

    internal StoreExportResult Export(string tag, string? baseTag = null, CracImage? image = null, bool force = false, AgeRecipients? recipients = null) => StoreExport.Run(new StoreExportRequest
    {
        Image = image ?? _image.Image,
        Target = Name(tag),
        Base = baseTag is null ? null : Name(baseTag),
        Force = force,
        Recipients = recipients,
    });

    /// <summary>Imports a tag to a folder beside the image.</summary>
    internal ImportResult Import(string tag, string target = "imported", Func<ImportRequest, ImportRequest>? change = null)
    {
        var request = new ImportRequest { SourcePath = Name(tag).ToString(), ImagePath = _image.At(target) };
        using var image = OpenedImage.Open(Name(tag), RegistryAccess.Usual, CancellationToken.None);
        return StoreImport.Run(image, change?.Invoke(request) ?? request);
    }

    internal ArtifactManifest ManifestOf(string tag)
    {
        using StoreLayout store = StoreLayout.Open(StorePath);
        return StoredImages.Find(store, Name(tag)).Manifest;
    }

    internal string BlobPath(Descriptor blob) => Path.Combine(StorePath, "blobs/sha256", blob.Hex);

    internal string[] BlobNames() => [.. Directory.GetFiles(Path.Combine(StorePath, "blobs/sha256")).Select(static path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)];

    /// <summary>Runs of 1 to 40 pages with gaps, from 0x10000000 on, as a process has them.</summary>
    internal static byte[] PageMapOf(int pages)
    {
        var random = new Random(3);
        var runs = new List<(uint Address, uint Pages)>();
        uint address = 0x1000_0000;
        for (int left = pages; left > 0;)
        {
            int count = Math.Min(left, random.Next(1, 40));
            runs.Add((address, (uint)count));
            address += (uint)(count + random.Next(0, 3)) * 4096;
            left -= count;
        }

        return ImageBytes.Repeat(ImageType.Pagemap, runs.Count + 1, i => i == 0 ? [(1, 1)] : [(1, runs[i - 1].Address), (2, runs[i - 1].Pages), (4, Present)]);
    }

    public void Dispose() => _image.Dispose();
}
