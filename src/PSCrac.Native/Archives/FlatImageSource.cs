using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Memory;
using PSCrac.Images.Storage;

namespace PSCrac.Archives;

/// <summary>
/// An incremental image as one that needs no parent: pages that are in a parent image are in its own pages files, and its pagemaps and
/// its manifest say so. No page is compressed, and the inventory says that too, so that any criu can restore it. Nothing is written; the
/// pages are read from where they are.
/// </summary>
internal sealed class FlatImageSource : ImageSource
{
    private readonly ImageSource _source;
    private readonly Dictionary<string, byte[]> _edited = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FlatPages> _pages = new(StringComparer.Ordinal);
    private readonly Lazy<IReadOnlyList<ImageFileInfo>> _files;

    /// <summary>Reads the pagemaps of an image.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageIncomplete"/>: a parent image does not have the pages.</exception>
    internal FlatImageSource(CracImage image)
        : base(image.Path)
    {
        _source = image.Source;
        foreach (ImageFileInfo file in _source.Files)
        {
            if (file.Name.StartsWith("pagemap-", StringComparison.Ordinal) && file.Name.EndsWith(".img", StringComparison.Ordinal))
            {
                Flatten(file.Name);
            }
        }

        if (image.IsCompressed)
        {
            _edited[ImageInventory.FileName] = EditInventory();
        }

        if (image.Manifest is { } manifest)
        {
            EditManifest(manifest);
        }

        _files = new(() => [.. _source.Files.Select(file => new ImageFileInfo(file.Name, LengthOf(file)))]);
    }

    internal override IReadOnlyList<ImageFileInfo> Files => _files.Value;

    internal override ImageSource? Parent => null;

    internal override bool Contains(string name) => _source.Contains(name);

    internal override DateTimeOffset LastWrite(string name) => _source.LastWrite(name);

    internal override ImageFile? TryOpen(string name) =>
        _edited.TryGetValue(name, out byte[]? bytes) ? new MemoryImageFile(Path, name, bytes)
        : _pages.TryGetValue(name, out FlatPages? pages) ? new FlatPagesFile(Path, name, pages)
        : _source.TryOpen(name);

    private long LengthOf(ImageFileInfo file) =>
        _edited.TryGetValue(file.Name, out byte[]? bytes) ? bytes.Length : _pages.TryGetValue(file.Name, out FlatPages? pages) ? pages.Length : file.Length;

    private void Flatten(string name)
    {
        PageStack stack = PageStack.Open(_source, name)!;
        PageMap map = stack.Levels[0].Map;
        if (!map.HasBlocks && !map.Runs.ToArray().Any(static run => run.IsInParent))
        {
            return;
        }

        var pages = new FlatPages(stack);
        var stretches = new List<MemoryStretch>();
        foreach (PageRun run in map.Runs)
        {
            stretches.Clear();
            stack.Map(run.Address, run.Address + (run.Pages * (ulong)map.PageSize), PageOrigin.MissingInParent, stretches);
            foreach (MemoryStretch stretch in run is { IsPresent: false, IsInParent: false } ? [] : stretches)
            {
                if (stretch.Origin != PageOrigin.Pages)
                {
                    throw new CracException(
                        CracReason.ImageIncomplete,
                        $"The image {Path} builds on a parent image that does not have the pages at 0x{stretch.Address:x}.",
                        "Put the parent images back where they were; the link 'parent' in the image leads there.")
                    {
                        ImagePath = Path,
                        FileName = name,
                    };
                }

                pages.Add(stretch);
            }
        }

        _pages[map.PagesFile] = pages;
        _edited[name] = EditPageMap(name);
    }

    private byte[] EditPageMap(string name)
    {
        using ImageEntryReader entries = _source.OpenEntries(name, ImageType.Pagemap);
        using var edited = new MemoryStream();
        ProtobufWriter.WriteMagic(edited, entries);
        for (bool isHead = true; entries.MoveNext(); isHead = false)
        {
            if (isHead)
            {
                ProtobufWriter.WriteEntry(edited, entries.Message);
            }
            else if (IsInParent(entries.Reader, out ulong flags))
            {
                ulong own = (flags & ~(ulong)PageFlags.Parent) | (ulong)PageFlags.Present;
                new ProtobufWriter().CopyExcept(entries.Reader, Wire.PagemapEntry.InParent, Wire.PagemapEntry.Flags)
                    .WriteVarint(Wire.PagemapEntry.Flags, own).WriteEntry(edited);
            }
            else
            {
                new ProtobufWriter().CopyExcept(entries.Reader, Wire.PagemapEntry.Blocks).WriteEntry(edited);
            }
        }

        return edited.ToArray();
    }

    private byte[] EditInventory()
    {
        using ImageEntryReader entries = _source.OpenEntries(ImageInventory.FileName, ImageType.Inventory);
        using var edited = new MemoryStream();
        ProtobufWriter.WriteMagic(edited, entries);
        while (entries.MoveNext())
        {
            new ProtobufWriter().WriteVarint(Wire.InventoryEntry.ImgVersion, ImageInventory.VersionWithoutCompression)
                .CopyExcept(entries.Reader, Wire.InventoryEntry.ImgVersion, Wire.InventoryEntry.Compress, Wire.InventoryEntry.CompressBlockSize)
                .WriteEntry(edited);
        }

        return edited.ToArray();
    }

    private static bool IsInParent(ProtobufReader entry, out ulong flags)
    {
        bool isInParent = false;
        flags = 0;
        while (entry.MoveNext())
        {
            switch (entry.Field)
            {
                case Wire.PagemapEntry.InParent:
                    isInParent = entry.ReadBool();
                    break;
                case Wire.PagemapEntry.Flags:
                    flags = entry.ReadUInt32();
                    break;
                default:
                    entry.Skip();
                    break;
            }
        }

        return isInParent || (flags & (ulong)PageFlags.Parent) != 0;
    }

    private void EditManifest(ImageManifest manifest)
    {
        const string ParentOption = "prev-images-dir";
        byte[] buffer = [];
        var files = new List<ImageManifestFile>(manifest.Files.Count);
        foreach (ImageManifestFile file in manifest.Files)
        {
            files.Add(_pages.TryGetValue(file.Name, out FlatPages? pages) ? file with { Size = pages.Length, Sha256 = null }
                : _edited.TryGetValue(file.Name, out byte[]? bytes) ? new ImageManifestFile(file.Name, bytes.Length, ImageManifest.Hash(new MemoryImageFile(Path, file.Name, bytes), ref buffer))
                : file);
        }

        using var edited = new MemoryStream();
        ImageManifest flat = manifest with
        {
            Files = files,
            Options = manifest.Options.Where(static option => option.Key != ParentOption).ToDictionary(static option => option.Key, static option => option.Value),
        };
        flat.Write(edited);
        _edited[ImageManifest.FileName] = edited.ToArray();
    }
}

/// <summary>The content of a pages file, gathered from an image and its parents.</summary>
internal sealed class FlatPages(PageStack stack)
{
    private readonly List<(long Start, MemoryStretch Stretch)> _stretches = [];

    /// <summary>The images that the pages come from.</summary>
    internal PageStack Stack => stack;

    /// <summary>The length of the file, in bytes.</summary>
    internal long Length { get; private set; }

    /// <summary>Appends pages.</summary>
    internal void Add(MemoryStretch stretch)
    {
        _stretches.Add((Length, stretch));
        Length += (long)stretch.Length;
    }

    /// <summary>The pages that contain an offset of the file, and where they begin.</summary>
    internal (long Start, MemoryStretch Stretch) Find(long offset)
    {
        int low = 0;
        int high = _stretches.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) >>> 1;
            (low, high) = _stretches[middle].Start <= offset ? (middle, high) : (low, middle - 1);
        }

        return _stretches[low];
    }
}

/// <summary>A pages file that is gathered from an image and its parents as it is read.</summary>
internal sealed class FlatPagesFile(string imagePath, string name, FlatPages pages) : ImageFile(imagePath, name, pages.Length)
{
    private readonly Dictionary<int, ImageFile> _opened = [];

    internal override int ReadAt(long offset, Span<byte> buffer)
    {
        if (offset < 0 || offset >= Length)
        {
            return 0;
        }

        (long start, MemoryStretch stretch) = pages.Find(offset);
        if (!_opened.TryGetValue(stretch.Level, out ImageFile? file))
        {
            file = pages.Stack.OpenPages(stretch.Level);
            _opened.Add(stretch.Level, file);
        }

        long into = offset - start;
        return file.ReadAt(stretch.FileOffset + into, buffer[..(int)Math.Min(buffer.Length, (long)stretch.Length - into)]);
    }

    public override void Dispose()
    {
        foreach (ImageFile file in _opened.Values)
        {
            file.Dispose();
        }

        base.Dispose();
    }
}
