using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Tests.Images.Format;
using PSCrac.Tests.Images.Manifest;
using Xunit;

namespace PSCrac.Tests.Images.Operations;

/// <summary>Whatever reads a whole file can be cancelled, however long the file is.</summary>
public class CancellationTests
{
    private const long TiB = 1L << 40;

    [Fact]
    public void Entries_have_a_limit_and_their_reading_is_cancelled()
    {
        CracImage image = CracImage.Open(new RepeatingSource());
        Cancelled(token => _ = ImageCheck.Run(image, token).Count());
        Cancelled(token => ImagePreflight.Examine(image, new ImagePreflightOptions { Full = true, SkipTrustCheck = true, Cancellation = token }));
        Cancelled(token => _ = new ImageContentReader(image, cancellation: token).Read("NETNS").Count());
        using var entries = new ImageEntryReader(new RepeatingFile());
        CracException thrown = Assert.Throws<CracException>(() =>
        {
            while (entries.MoveNext())
            {
            }
        });
        Assert.Contains("more than 16777216 entries", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Hashing_is_cancelled()
    {
        using var folder = new ImageFolder();
        folder.Write("tmpfs-1.tar.gz.img", [0]);
        folder.Extend("tmpfs-1.tar.gz.img", TiB);
        using (FileStream manifest = File.Create(Path.Combine(folder.Path, ImageManifest.FileName)))
        {
            (ImageManifestTests.Sample() with { Files = [new ImageManifestFile("tmpfs-1.tar.gz.img", TiB, new string('0', 64))] }).Write(manifest);
        }

        CracImage image = CracImage.Open(folder.Path);
        Cancelled(token => _ = ImageCheck.Run(image, token).Count());
    }

    [Fact]
    public void Opening_an_archive_and_reading_far_into_it_is_cancelled()
    {
        string folder = Directory.CreateTempSubdirectory("pscrac-cancel-").FullName;
        try
        {
            string path = Path.Combine(folder, "checkpoint.tar.gz");
            WriteLarge(path, 128);
            Cancelled(token => CracImage.Open(path, token));
            var source = new ArchiveImageSource(path);
            Cancelled(token =>
            {
                using ImageFile file = source.Open("pages-1.img", token);
                file.ReadExactlyAt(file.Length - 1, new byte[1]);
            });
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_hole_of_a_terabyte_is_damage()
    {
        using var folder = new ImageFolder();
        folder.Extend("netns-1.img", TiB);
        CracImageFinding finding = Assert.Single(ImageCheck.Run(CracImage.Open(folder.Path)), finding => finding.FileName == "netns-1.img");
        Assert.Equal(CracReason.ImageCorrupt, finding.Reason);
        Assert.Contains("more than 65536 empty entries", finding.Message, StringComparison.Ordinal);
    }

    /// <summary>An archive with a pages file of zeros; a part is 64 MiB, compressed once.</summary>
    private static void WriteLarge(string path, int parts)
    {
        const int Part = 64 << 20;
        using var head = new MemoryStream();
        using (var writer = new TarWriter(head, leaveOpen: true))
        {
            writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "inventory.img") { DataStream = new MemoryStream([0x16, 0x31, 0x31, 0x58]) });
        }

        // The header of an empty file with another size and its checksum.
        using var empty = new MemoryStream();
        using (var writer = new TarWriter(empty, leaveOpen: true))
        {
            writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "pages-1.img"));
        }

        byte[] header = empty.ToArray()[..512];
        System.Text.Encoding.ASCII.GetBytes(Convert.ToString(((long)parts * Part) - 1024, 8).PadLeft(11, '0')).CopyTo(header, 124);
        header.AsSpan(148, 8).Fill((byte)' ');
        System.Text.Encoding.ASCII.GetBytes(Convert.ToString(header.Sum(b => b), 8).PadLeft(6, '0') + "\0 ").CopyTo(header, 148);
        using FileStream file = File.Create(path);
        file.Write(Compress([.. head.ToArray()[..1024], .. header]));
        byte[] zeros = Compress(new byte[Part]);
        for (int i = 0; i < parts; i++)
        {
            file.Write(zeros);
        }
    }

    private static byte[] Compress(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
        {
            gzip.Write(bytes);
        }

        return packed.ToArray();
    }

    /// <summary>An image with a file of a terabyte of valid entries.</summary>
    private sealed class RepeatingSource() : ImageSource("/repeating")
    {
        private readonly MemoryImageSource _small = new(
            new Dictionary<string, byte[]>
            {
                ["inventory.img"] = ImageBytes.Head(ImageType.Inventory),
                ["pstree.img"] = ImageBytes.Repeat(ImageType.Pstree, 1, _ => [(1, 7), (2, 0), (3, 7), (4, 7)]),
            },
            "",
            []);

        internal override IReadOnlyList<ImageFileInfo> Files => [.. _small.Files, new ImageFileInfo("netns-1.img", TiB)];

        internal override ImageSource? Parent => null;

        internal override bool Contains(string name) => _small.Contains(name);

        internal override DateTimeOffset LastWrite(string name) => default;

        internal override ImageFile? TryOpen(string name) => name == "netns-1.img" ? new RepeatingFile() : _small.TryOpen(name);
    }

    private sealed class RepeatingFile() : ImageFile("/repeating", "netns-1.img", TiB)
    {
        private static readonly byte[] s_head = ImageBytes.Head(ImageType.Netns);
        private static readonly byte[] s_entries = [.. Enumerable.Repeat<byte[]>([4, 0, 0, 0, 0x08, 1, 0x08, 1], 1 << 15).SelectMany(static entry => entry)];

        internal override int ReadAt(long offset, Span<byte> buffer)
        {
            if (offset < s_head.Length)
            {
                int count = Math.Min(buffer.Length, s_head.Length - (int)offset);
                s_head.AsSpan((int)offset, count).CopyTo(buffer);
                return count;
            }

            ReadOnlySpan<byte> part = s_entries.AsSpan((int)(offset % s_entries.Length));
            part = part[..Math.Min(part.Length, buffer.Length)];
            part.CopyTo(buffer);
            return part.Length;
        }
    }

    private static void Cancelled(Action<CancellationToken> read)
    {
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        var clock = Stopwatch.StartNew();
        Assert.ThrowsAny<OperationCanceledException>(() => read(cancellation.Token));
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(3));
    }
}
