using System.Buffers.Binary;
using PSCrac.Images.Format;
using PSCrac.Images.Memory;
using PSCrac.Images.Storage;

namespace PSCrac.Tests.Images.Memory;

/// <summary>Compresses the memory of an image in place, in the layout that criu 4.3 writes with --compress.</summary>
internal static class CompressedImage
{
    private const int PageSize = 4096;

    /// <summary>Compresses all pages files of an image, and says so in its inventory.</summary>
    /// <param name="image">The image's folder.</param>
    /// <param name="pagesPerBlock">The number of pages of each block but the last of an entry.</param>
    /// <returns>The entries of each pagemap.</returns>
    internal static Dictionary<string, List<PagemapFile.Entry>> Create(string image, int pagesPerBlock)
    {
        var maps = new Dictionary<string, List<PagemapFile.Entry>>();
        var source = new DirectoryImageSource(image);
        foreach (string path in Directory.GetFiles(image, "pagemap-*.img"))
        {
            PageMap map = PageMap.Read(source, Path.GetFileName(path))!;
            string pages = Path.Combine(image, map.PagesFile);
            byte[] all = File.Exists(pages) ? File.ReadAllBytes(pages) : [];
            var stored = new List<byte>();
            var entries = new List<PagemapFile.Entry>();
            foreach (PageRun run in map.Runs)
            {
                entries.Add(run.IsPresent ? Compress(run, all.AsSpan((int)run.FilePage * PageSize, (int)run.Pages * PageSize), pagesPerBlock, stored) : new(run, null, 0));
            }

            PagemapFile.Write(path, map.PagesId, entries);
            maps[Path.GetFileName(path)] = entries;
            if (all.Length > 0)
            {
                File.WriteAllBytes(pages, [.. stored]);
            }
        }

        SetInventory(image, ImageInventory.NewestVersion, 1, (uint)(pagesPerBlock * PageSize));
        return maps;
    }

    /// <summary>Replaces the version and the fields of compression in inventory.img: of a field that is there twice, the last counts.</summary>
    internal static void SetInventory(string image, uint version, uint compression, uint blockSize)
    {
        string path = Path.Combine(image, ImageInventory.FileName);
        byte[] file = File.ReadAllBytes(path);
        int head = BinaryPrimitives.ReadUInt32LittleEndian(file) is ImageType.CommonPrefix or ImageType.ServicePrefix ? 8 : 4;
        var message = new List<byte>(file[(head + 4)..]);
        foreach ((int field, uint value) in ((int, uint)[])[(Wire.InventoryEntry.ImgVersion, version), (Wire.InventoryEntry.Compress, compression), (Wire.InventoryEntry.CompressBlockSize, blockSize)])
        {
            PagemapFile.AddNumber(message, (uint)field << 3);
            PagemapFile.AddNumber(message, value);
        }

        byte[] length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, message.Count);
        File.WriteAllBytes(path, [.. file[..head], .. length, .. message]);
    }

    private static PagemapFile.Entry Compress(PageRun run, ReadOnlySpan<byte> pages, int pagesPerBlock, List<byte> stored)
    {
        var sizes = new List<uint>();
        int start = stored.Count;
        bool isAligned = false;
        for (int at = 0; at < pages.Length; at += pagesPerBlock * PageSize)
        {
            ReadOnlySpan<byte> block = pages[at..Math.Min(pages.Length, at + (pagesPerBlock * PageSize))];
            if (!block.ContainsAnyExcept((byte)0))
            {
                sizes.Add(0);
                continue;
            }

            byte[] encoded = Lz4Writer.Encode(block);
            if (encoded.Length >= block.Length * 7 / 8)
            {
                if (stored.Count == start && stored.Count % PageSize != 0)
                {
                    stored.AddRange(new byte[PageSize - (stored.Count % PageSize)]);
                }

                isAligned |= sizes.TrueForAll(static size => size == 0);
                encoded = block.ToArray();
            }

            sizes.Add((uint)encoded.Length);
            stored.AddRange(encoded);
        }

        bool isRaw = sizes.Sum(static size => size) == pages.Length;
        return new(isAligned ? run with { Flags = run.Flags | PageFlags.Aligned } : run, isRaw ? null : [.. sizes], (uint)pagesPerBlock);
    }
}
