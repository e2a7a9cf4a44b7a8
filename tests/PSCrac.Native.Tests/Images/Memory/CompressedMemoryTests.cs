using System.Text;
using PSCrac.Images.Format;
using PSCrac.Images.Memory;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Tests.Images.Format;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Memory;

/// <summary>Reads images whose memory is compressed as criu 4.3 does it.</summary>
[Collection(Zoo.Collection)]
public class CompressedMemoryTests(Zoo zoo)
{
    [CriuTheory("python3", "unshare", "ip")]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(64)]
    public void Compressed_memory_reads_as_uncompressed(int pagesPerBlock)
    {
        foreach (CracImage plain in zoo.All)
        {
            using var copy = new Copy(plain.Path);
            CompressedImage.Create(copy.Path, pagesPerBlock);
            CracImage image = copy.Open();

            Assert.True(image.IsCompressed);
            Assert.False(plain.IsCompressed);
            Assert.Equal(plain.Memory, image.Memory);
            Assert.True(image.Size < plain.Size - (plain.Memory / 4), $"{image.Size} of {plain.Size} bytes");
            Assert.Empty(ImageComparison.Compare(plain, image));
            Assert.Empty(ImageComparison.Compare(image, plain));
            Assert.Equal(plain.CommandLine, image.CommandLine);
            Assert.Equal(plain.Environment, image.Environment);
            foreach (string pattern in (string[])["ZOO_WITHOUT", "SECRET", "\0\0\0\0\0\0\0\u0001", "python"])
            {
                Assert.Equal(Search(plain, pattern), Search(image, pattern));
            }

            Assert.Empty(ImageCheck.Run(image));
            Assert.True(image.IsRestorable(out _));
        }
    }

    [CriuFact("python3")]
    public void Only_the_block_that_is_asked_for_is_decoded()
    {
        using var copy = new Copy(zoo.Host.Path);
        Dictionary<string, List<PagemapFile.Entry>> maps = CompressedImage.Create(copy.Path, 16);
        CracImageProcess root = copy.Open().Processes[0];
        (PageRun run, long start, long length) = FindBlock(maps[PageMap.NameFor(root.ProcessId)]);
        byte[] expected = zoo.Host.Processes[0].ReadMemory(run.Address + 5000, 4096);

        // All other blocks are damaged.
        byte[] stored = File.ReadAllBytes(copy.Pages(root));
        stored.AsSpan(0, (int)start).Fill(0xff);
        stored.AsSpan((int)(start + length)).Fill(0xff);
        File.WriteAllBytes(copy.Pages(root), stored);
        Assert.Equal(expected, copy.Open().Processes[0].ReadMemory(run.Address + 5000, 4096));
        CracImageFinding finding = Assert.Single(ImageCheck.Run(copy.Open()));
        Assert.Equal((CracReason.ImageCorrupt, root.Pages!.PagesFile), (finding.Reason, finding.FileName));
    }

    [CriuFact("python3")]
    public void A_damaged_block_is_an_error_that_names_file_and_offset()
    {
        using var copy = new Copy(zoo.Host.Path);
        Dictionary<string, List<PagemapFile.Entry>> maps = CompressedImage.Create(copy.Path, 16);
        CracImageProcess root = copy.Open().Processes[0];
        (PageRun run, long start, long length) = FindBlock(maps[PageMap.NameFor(root.ProcessId)]);
        byte[] stored = File.ReadAllBytes(copy.Pages(root));
        stored.AsSpan((int)start, (int)length).Fill(0xff);
        File.WriteAllBytes(copy.Pages(root), stored);

        CracImage image = copy.Open();
        foreach (Action action in (Action[])
        [
            () => image.Processes[0].ReadMemory(run.Address, 1),
            () => _ = new MemorySearch(image, MemoryPattern.FromString("no such text")).Run().Count(),
            () => _ = ImageComparison.Compare(zoo.Host, image).Count(),
        ])
        {
            CracException e = Assert.Throws<CracException>(action);
            Assert.Equal((CracReason.ImageCorrupt, root.Pages!.PagesFile, start), (e.Reason, e.FileName, e.FileOffset));
        }

        CracImageFinding finding = Assert.Single(ImageCheck.Run(image));
        Assert.Equal((CracReason.ImageCorrupt, root.Pages!.PagesFile, start), (finding.Reason, finding.FileName, finding.FileOffset));
    }

    [CriuFact("python3")]
    public void A_pages_file_that_was_cut_off_is_incomplete()
    {
        using var copy = new Copy(zoo.Host.Path);
        CompressedImage.Create(copy.Path, 64);
        CracImageProcess root = copy.Open().Processes[0];
        using (FileStream file = File.OpenWrite(copy.Pages(root)))
        {
            file.SetLength(file.Length - 1);
        }

        CracImage image = copy.Open();
        Assert.False(image.IsRestorable(out string? missing));
        Assert.Equal(root.Pages!.PagesFile, missing);
        Assert.Contains(ImageCheck.Run(image), finding => finding.Reason == CracReason.ImageIncomplete && finding.FileName == missing);
        Assert.Equal(CracReason.ImageIncomplete, Assert.Throws<CracException>(() => new MemorySearch(image, MemoryPattern.FromString("x")).Run().Count()).Reason);
    }

    [Theory]
    [InlineData("a sum that is wrong", 4, 2, new uint[] { 10, 20 }, 31ul)]
    [InlineData("too few blocks", 5, 2, new uint[] { 10, 20 }, null)]
    [InlineData("too many blocks", 2, 2, new uint[] { 10, 20 }, null)]
    [InlineData("blocks of no pages", 4, 0, new uint[] { 10, 20 }, null)]
    [InlineData("blocks of too many pages", 4, 1025, new uint[] { 10 }, null)]
    [InlineData("a block that is too large", 1024, 1024, new uint[] { (4 << 20) + 1 }, null)]
    [InlineData("no blocks", 4, 2, new uint[0], null)]
    public void A_pagemap_whose_blocks_do_not_fit_is_corrupt(string what, int pages, uint pagesPerBlock, uint[] sizes, ulong? total)
    {
        using var image = new ImageFolder();
        foreach (PageFlags flags in (PageFlags[])[PageFlags.Present, PageFlags.Present | PageFlags.Aligned])
        {
            PagemapFile.Write(Path.Combine(image.Path, "pagemap-7.img"), 1, [new PagemapFile.Entry(new PageRun(0x1000, (ulong)pages, flags, 0), sizes, pagesPerBlock, total)]);
            CracException e = Assert.Throws<CracException>(() => PageMap.Read(new DirectoryImageSource(image.Path), "pagemap-7.img"));
            Assert.True(e.Reason == CracReason.ImageCorrupt && e.FileName == "pagemap-7.img" && e.FileOffset > 0, $"{what}: {e}");
        }
    }

    [Theory]
    [InlineData("Parent", true)]
    [InlineData("Lazy", true)]
    [InlineData("Lazy, Aligned", false)]
    public void Blocks_of_pages_that_are_not_in_the_file_are_corrupt(string flags, bool hasBlocks)
    {
        using var image = new ImageFolder();
        PagemapFile.Write(Path.Combine(image.Path, "pagemap-7.img"), 1, [new PagemapFile.Entry(new PageRun(0x1000, 1, Enum.Parse<PageFlags>(flags), 0), hasBlocks ? [4096] : null, 1)]);
        Assert.Equal(CracReason.ImageCorrupt, Assert.Throws<CracException>(() => PageMap.Read(new DirectoryImageSource(image.Path), "pagemap-7.img")).Reason);
    }

    [Fact]
    public void Entries_with_and_without_blocks_and_with_padding_follow_one_another()
    {
        using var image = new ImageFolder();
        byte[] text = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("0123456789abcdef", 512)));
        byte[] encoded = Lz4Writer.Encode(text);
        byte[] raw = [.. Enumerable.Range(0, 4096).Select(static i => (byte)(i * 7))];
        PagemapFile.Write(Path.Combine(image.Path, "pagemap-7.img"), 1,
        [
            new PagemapFile.Entry(new PageRun(0x1000, 1, PageFlags.Present, 0), null, 0),
            new(new PageRun(0x2000, 3, PageFlags.Present, 0), [(uint)encoded.Length, 0], 2),
            new(new PageRun(0x8000, 1, PageFlags.Lazy, 0), null, 0),
            new(new PageRun(0x9000, 2, PageFlags.Present | PageFlags.Aligned, 0), [4096, 0], 1),
            new(new PageRun(0xb000, 1, PageFlags.Present, 0), null, 0),
        ]);
        byte[] padding = new byte[4096 - encoded.Length];
        image.Write("pages-1.img", [.. raw, .. encoded, .. padding, .. raw, .. raw.Reverse()]);
        image.Write("inventory.img", ImageBytes.Repeat(ImageType.Inventory, 1, static _ => [(1, 2)]));
        CompressedImage.SetInventory(image.Path, 3, 1, 8192);
        PageMap map = PageMap.Read(new DirectoryImageSource(image.Path), "pagemap-7.img")!;
        Assert.Equal((4096 * 4L, 7 * 4096L), (map.StoredBytes, map.PresentBytes));

        using ImageFile pages = map.OpenPages(isWhole: true);
        byte[] all = new byte[7 * 4096];
        pages.ReadExactlyAt(0, all);
        byte[] expected = [.. raw, .. text, .. new byte[4096], .. raw, .. new byte[4096], .. raw.Reverse()];
        Assert.Equal(expected, all);

        // Each place is found without those before it.
        var random = new Random(3);
        for (int i = 0; i < 200; i++)
        {
            int at = random.Next(all.Length);
            byte[] part = new byte[random.Next(1, all.Length - at + 1)];
            using ImageFile again = map.OpenPages();
            again.ReadExactlyAt(at, part);
            Assert.Equal(expected[at..(at + part.Length)], part);
        }
    }

    [Fact]
    public void Larger_pages_are_recognized_by_the_size_of_a_block()
    {
        // As on a kernel with pages of 64 KiB: a block of 256 KiB has four.
        using var image = new ImageFolder();
        byte[] text = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("0123456789abcdef", 16 << 10)));
        byte[] encoded = Lz4Writer.Encode(text);
        PagemapFile.Write(Path.Combine(image.Path, "pagemap-7.img"), 1, [new PagemapFile.Entry(new PageRun(0x10000, 4, PageFlags.Present, 0), [(uint)encoded.Length], 4)]);
        image.Write("pages-1.img", encoded);
        image.Write("inventory.img", ImageBytes.Repeat(ImageType.Inventory, 1, static _ => [(1, 2)]));
        CompressedImage.SetInventory(image.Path, 3, 1, 256 << 10);
        PageMap map = PageMap.Read(new DirectoryImageSource(image.Path), "pagemap-7.img")!;
        Assert.Equal((65_536, 262_144L), (map.PageSize, map.PresentBytes));
        using ImageFile pages = map.OpenPages();
        byte[] all = new byte[text.Length];
        pages.ReadExactlyAt(0, all);
        Assert.Equal(text, all);
    }

    [CriuFact("python3")]
    public void Blocks_without_a_word_in_the_inventory_are_damage()
    {
        using var copy = new Copy(zoo.Host.Path);
        CompressedImage.Create(copy.Path, 64);
        CompressedImage.SetInventory(copy.Path, 2, 0, 0);
        Assert.All(ImageCheck.Run(copy.Open()), static finding => Assert.Contains("none are compressed", finding.Message, StringComparison.Ordinal));
        Assert.NotEmpty(ImageCheck.Run(copy.Open()));
    }

    private static string[] Search(CracImage image, string pattern) =>
        [.. new MemorySearch(image, MemoryPattern.FromString(pattern)).Run().Take(500).Select(static match => $"{match.ProcessId} {match.Address:x} {Convert.ToHexString(match.Bytes)} {match.Context}")];

    /// <summary>A run that starts with an LZ4 block of several pages, and where that block is in the pages file.</summary>
    private static (PageRun Run, long Start, long Length) FindBlock(List<PagemapFile.Entry> entries)
    {
        long offset = 0;
        foreach (PagemapFile.Entry entry in entries.Where(static entry => entry.Run.IsPresent))
        {
            offset = entry.Run.IsAligned ? (offset + 4095) / 4096 * 4096 : offset;
            ulong pages = Math.Min(entry.Run.Pages, entry.PagesPerBlock);
            if (offset > 0 && pages >= 4 && entry.BlockSizes is [> 0 and var size, ..] && size < pages * 4096)
            {
                return (entry.Run, offset, size);
            }

            offset += entry.BlockSizes?.Sum(static each => each) ?? ((long)entry.Run.Pages * 4096);
        }

        throw new InvalidOperationException("no run starts with an LZ4 block");
    }

    private sealed class Copy(string image) : IDisposable
    {
        internal string Path { get; } = ImageCopy.Create(image);

        internal CracImage Open() => CracImage.Open(Path);

        internal string Pages(CracImageProcess process) => System.IO.Path.Combine(Path, process.Pages!.PagesFile);

        public void Dispose() => Directory.Delete(System.IO.Path.GetDirectoryName(Path)!, recursive: true);
    }
}
