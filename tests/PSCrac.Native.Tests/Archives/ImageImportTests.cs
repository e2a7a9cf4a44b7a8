using System.Formats.Tar;
using System.IO.Compression;
using PSCrac.Archives;
using PSCrac.Common;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Archives;

public class ImageImportTests
{
    [Theory]
    [InlineData("app.tar.zst", CracArchiveCompression.Zstd)]
    [InlineData("app.tar", CracArchiveCompression.None)]
    public void What_was_exported_is_imported_as_it_was(string name, CracArchiveCompression compression)
    {
        using var image = new SealedImage();
        image.Exported(name, compression);
        var reports = new List<CracProgress>();
        ImportResult result = ImageImport.Run(image.Import(name), new Reports(reports.Add));
        Assert.Empty(result.Warnings);
        Assert.Equal(image.At("imported"), result.Image.Path);
        Assert.Equal(SealedImage.ContentOf(image.Path), SealedImage.ContentOf(image.At("imported")));
        Assert.Equal((UnixFileMode)0x1C0, File.GetUnixFileMode(image.At("imported")));
        Assert.All(Directory.GetFiles(image.At("imported")), static file => Assert.Equal((UnixFileMode)0x180, File.GetUnixFileMode(file)));
        Assert.Equal([name, "imported"], image.NamesBeside());
        Assert.All(reports, static report => Assert.Equal(CracPhase.Unpacking, report.Phase));
        Assert.InRange(reports[^1].Bytes, SealedImage.PagesSize, reports[^1].ExpectedBytes + 10_000);
    }

    [ProgramTheory("tar", "zstd")]
    [InlineData(false, "-czf")]
    [InlineData(true, "-czf")]
    [InlineData(true, "--zstd", "-cf")]
    [InlineData(true, "--format=gnu", "-cf")]
    [InlineData(true, "--format=pax", "-cf")]
    public void What_tar_wrote_is_imported(bool withFolder, params string[] options)
    {
        using var image = new SealedImage();
        string[] content = withFolder ? ["-C", image.Above, Path.GetFileName(image.Path)] : ["-C", image.Path, "."];
        (int code, string error) = CriuProgram.RunProgram("tar", [.. options, image.At("app.tgz"), .. content]);
        Assert.True(code == 0, error);
        ImageImport.Run(image.Import("app.tgz"));
        Assert.Equal(SealedImage.ContentOf(image.Path), SealedImage.ContentOf(image.At("imported")));
    }

    [Fact]
    public void The_hashes_are_of_what_was_written()
    {
        using var image = new SealedImage();
        string path = image.Exported("app.tar.zst");
        using PSCrac.Images.Storage.FolderHandle folder = PSCrac.Images.Storage.FolderHandle.Make(image.At("target"), 0x1C0, out _)!;
        using ArchiveReader archive = ImageImport.Open(path, [], CancellationToken.None);
        UnpackedImage unpacked = Unpacking.Run(archive, path, folder, maximumSize: null, progress: null);
        SortedDictionary<string, string> expected = SealedImage.ContentOf(image.Path);
        expected.Remove("pscrac.json");
        Assert.Equal(expected, new SortedDictionary<string, string>(unpacked.Files.ToDictionary(static file => file.Name, static file => file.Sha256!), StringComparer.Ordinal));
        Assert.All(unpacked.Files, file => Assert.Equal(new FileInfo(Path.Combine(image.Path, file.Name)).Length, file.Size));
    }

    [Fact]
    public void An_image_at_the_target_is_replaced_only_with_force()
    {
        using var image = new SealedImage();
        image.Exported("app.tar.zst");
        ImageImport.Run(image.Import("app.tar.zst"));
        File.WriteAllText(image.At("imported/dump.log"), "mine");
        Assert.Equal(CracReason.ImageExists, Assert.Throws<CracException>(() => ImageImport.Run(image.Import("app.tar.zst"))).Reason);
        Assert.True(File.Exists(image.At("imported/dump.log")));
        ImageImport.Run(image.Import("app.tar.zst") with { Force = true });
        Assert.False(File.Exists(image.At("imported/dump.log")));
        Assert.Equal(["app.tar.zst", "imported"], image.NamesBeside());
    }

    [Fact]
    public void An_archive_that_is_refused_leaves_the_image_that_it_would_replace()
    {
        using var image = new SealedImage();
        string archive = image.Exported("app.tar");
        ImageImport.Run(image.Import("app.tar"));
        File.WriteAllBytes(archive, File.ReadAllBytes(archive)[..100_000]);
        Assert.ThrowsAny<CracException>(() => ImageImport.Run(image.Import("app.tar") with { Force = true }));
        Assert.Equal(SealedImage.ContentOf(image.Path), SealedImage.ContentOf(image.At("imported")));
    }

    [Theory]
    [InlineData("app.tar", CracArchiveCompression.None)]
    [InlineData("app.tar.zst", CracArchiveCompression.Zstd)]
    public void An_archive_that_is_cut_anywhere_is_refused(string name, CracArchiveCompression compression)
    {
        using var image = new SealedImage();
        byte[] whole = File.ReadAllBytes(image.Exported(name, compression));
        int step = (whole.Length / 12) + 1;
        foreach (int length in Enumerable.Range(1, 12).Select(i => i * step).Where(length => length < whole.Length).Concat([whole.Length - 1, whole.Length - 600, whole.Length - 1024]))
        {
            File.WriteAllBytes(image.At(name), whole[..length]);
            Refused(image, image.Import(name), null, "", name);
        }
    }

    [Fact]
    public void A_flipped_bit_anywhere_in_a_compressed_archive_is_refused()
    {
        using var image = new SealedImage();
        byte[] whole = File.ReadAllBytes(image.Exported("app.tar.zst"));
        for (int offset = 600; offset < whole.Length; offset += whole.Length / 20)
        {
            byte[] flipped = [.. whole];
            flipped[offset] ^= 1;
            File.WriteAllBytes(image.At("app.tar.zst"), flipped);
            Refused(image, image.Import("app.tar.zst"), CracReason.ImageCorrupt, "", "app.tar.zst");
        }
    }

    [Fact]
    public void What_follows_the_end_is_refused()
    {
        using var image = new SealedImage();
        string archive = image.Exported("app.tar", CracArchiveCompression.None);
        File.AppendAllText(archive, "more");
        Refused(image, image.Import("app.tar"), CracReason.ImageCorrupt, "follows the end", "app.tar");
    }

    [Fact]
    public void An_archive_that_is_larger_than_allowed_is_refused()
    {
        using var image = new SealedImage();
        image.Exported("app.tar.zst");
        Refused(image, image.Import("app.tar.zst") with { MaximumSize = SealedImage.PagesSize }, CracReason.NoSpace, "-MaximumSize", "app.tar.zst");
        ImageImport.Run(image.Import("app.tar.zst") with { MaximumSize = SealedImage.PagesSize + 20_000 });
    }

    [RootFact]
    public void An_archive_that_is_larger_than_the_free_space_is_refused_before_it_is_written()
    {
        using var image = new SealedImage();
        string archive = image.Exported("app.tar.zst");
        using var disk = new SmallDisk(2);
        var reports = new List<CracProgress>();
        CracException thrown = Assert.Throws<CracException>(() => ImageImport.Run(new ImportRequest { SourcePath = archive, ImagePath = disk.At("app") }, new Reports(reports.Add)));
        Assert.Equal(CracReason.NoSpace, thrown.Reason);
        Assert.True(reports[^1].Bytes < 100_000);
        Assert.Empty(disk.Names());
    }

    [Fact]
    public void A_cancelled_import_leaves_nothing()
    {
        using var image = new SealedImage();
        image.Exported("app.tar.zst");
        using var cancelled = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => ImageImport.Run(image.Import("app.tar.zst"), new Reports(report => cancelled.Cancel()), cancelled.Token));
        Assert.Equal(["app.tar.zst"], image.NamesBeside());
    }

    [Theory]
    [InlineData("text", CracReason.NotAnImage)]
    [InlineData("empty", CracReason.NotAnImage)]
    [InlineData("folder", CracReason.NotAnImage)]
    [InlineData("none", CracReason.FileMissing)]
    public void What_is_no_archive_is_refused(string name, CracReason reason)
    {
        using var image = new SealedImage();
        File.WriteAllText(image.At("text"), new string('x', 5000));
        File.WriteAllText(image.At("empty"), "");
        Directory.CreateDirectory(image.At("folder"));
        Refused(image, image.Import(name), reason, "", "empty", "folder", "text");
    }

    public static TheoryData<string, CracReason, string> HostileEntries => new()
    {
        { "symbolic link", CracReason.ImageNotTrusted, "is a symbolic link" },
        { "symbolic link named parent", CracReason.ImageIncomplete, "leads to a parent image" },
        { "hard link", CracReason.ImageNotTrusted, "is a hard link" },
        { "device", CracReason.ImageNotTrusted, "is a device" },
        { "fifo", CracReason.ImageNotTrusted, "is a FIFO" },
        { "absolute", CracReason.ImageNotTrusted, "absolute" },
        { "above", CracReason.ImageNotTrusted, "'..'" },
        { "above and back", CracReason.ImageNotTrusted, "'..'" },
        { "folder above", CracReason.ImageNotTrusted, "'..'" },
        { "other name", CracReason.NotAnImage, "no file of this name" },
        { "name with a line break", CracReason.NotAnImage, "no file of this name" },
        { "parent", CracReason.NotAnImage, "no file of this name" },
        { "staging name", CracReason.NotAnImage, "no file of this name" },
        { "other folder", CracReason.NotAnImage, "another folder" },
        { "twice", CracReason.ImageCorrupt, "another entry of this name" },
        { "not in the manifest", CracReason.ImageCorrupt, "does not name it" },
        { "not in the manifest, of a JVM", CracReason.ImageCorrupt, "does not name it" },
        { "pax sparse", CracReason.ResourceUnsupported, "sparse" },
        { "GNU sparse", CracReason.ResourceUnsupported, "sparse" },
        { "names longer than a path", CracReason.ImageCorrupt, "of any path" },
    };

    [Theory]
    [MemberData(nameof(HostileEntries))]
    public void A_hostile_entry_is_refused_and_nothing_is_left(string kind, CracReason reason, string why)
    {
        using var image = new SealedImage();
        using (FileStream file = File.Create(image.At("hostile.tar.gz")))
        using (var packed = new GZipStream(file, CompressionLevel.Fastest))
        using (var writer = new System.Formats.Tar.TarWriter(packed))
        {
            foreach (string path in Directory.GetFiles(image.Path))
            {
                writer.WriteEntry(path, "checkpoint/" + Path.GetFileName(path));
            }

            WriteHostile(writer, packed, kind);
        }

        CracException thrown = Refused(image, image.Import("hostile.tar.gz"), reason, why, "hostile.tar.gz");
        Assert.Equal(image.At("hostile.tar.gz"), thrown.ImagePath);
        Assert.False(Path.Exists("/tmp/pscrac-evil.img"));
    }

    private static void WriteHostile(System.Formats.Tar.TarWriter writer, Stream packed, string kind)
    {
        TarEntry Regular(string name) => new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream([1, 2, 3]) };
        TarEntry Link(TarEntryType type, string name) => new PaxTarEntry(type, name) { LinkName = "/etc/passwd" };
        switch (kind)
        {
            case "GNU sparse":
                packed.Write(GnuSparseHeader());
                return;
            case "names longer than a path":
                writer.WriteEntry(Regular("checkpoint/" + new string('x', 5000) + ".img"));
                return;
        }

        writer.WriteEntry(kind switch
        {
            "symbolic link" => Link(TarEntryType.SymbolicLink, "checkpoint/core-8.img"),
            "symbolic link named parent" => Link(TarEntryType.SymbolicLink, "checkpoint/parent"),
            "hard link" => Link(TarEntryType.HardLink, "checkpoint/core-8.img"),
            "device" => new PaxTarEntry(TarEntryType.CharacterDevice, "checkpoint/core-8.img"),
            "fifo" => new PaxTarEntry(TarEntryType.Fifo, "checkpoint/core-8.img"),
            "absolute" => Regular("/tmp/pscrac-evil.img"),
            "above" => Regular("../pscrac-evil.img"),
            "above and back" => Regular("checkpoint/../checkpoint/core-8.img"),
            "folder above" => new PaxTarEntry(TarEntryType.Directory, "checkpoint/../../evil"),
            "other name" => Regular("checkpoint/run.sh"),
            "name with a line break" => Regular("checkpoint/core\n8.img"),
            "parent" => Regular("checkpoint/parent"),
            "staging name" => Regular("checkpoint/.pscrac-x.partial"),
            "other folder" => Regular("elsewhere/core-8.img"),
            "twice" => Regular("checkpoint/./inventory.img"),
            "not in the manifest" => Regular("checkpoint/core-8.img"),
            "not in the manifest, of a JVM" => Regular("checkpoint/cppath"),
            "pax sparse" => new PaxTarEntry(TarEntryType.RegularFile, "checkpoint/core-8.img", [KeyValuePair.Create("GNU.sparse.major", "1"), KeyValuePair.Create("GNU.sparse.minor", "0")])
            {
                DataStream = new MemoryStream(new byte[512]),
            },
            _ => throw new ArgumentException(kind),
        });
    }

    // System.Formats.Tar writes none.
    private static byte[] GnuSparseHeader()
    {
        byte[] header = new byte[512];
        "checkpoint/core-8.img"u8.CopyTo(header);
        "0000600\0"u8.CopyTo(header.AsSpan(100));
        "00000000000\0"u8.CopyTo(header.AsSpan(124));
        header[156] = (byte)'S';
        "ustar  \0"u8.CopyTo(header.AsSpan(257));
        header.AsSpan(148, 8).Fill((byte)' ');
        System.Text.Encoding.ASCII.GetBytes($"{Convert.ToString(header.Sum(static b => b), 8).PadLeft(6, '0')}\0").CopyTo(header, 148);
        return header;
    }

    [ProgramFact("tar")]
    public void A_sparse_file_that_tar_wrote_is_refused()
    {
        using var image = new SealedImage();
        using (FileStream hole = File.OpenWrite(image.Path + "/pages-1.img"))
        {
            hole.SetLength(64 << 20);
        }

        foreach (string format in (string[])["pax", "gnu"])
        {
            (int code, string error) = CriuProgram.RunProgram("tar", $"--format={format}", "--sparse", "-cf", image.At("sparse.tar"), "-C", image.Path, ".");
            Assert.True(code == 0, error);
            Refused(image, image.Import("sparse.tar"), CracReason.ResourceUnsupported, "--sparse", "sparse.tar");
        }
    }

    [Fact]
    public void A_file_that_is_not_as_the_manifest_says_is_refused()
    {
        using var image = new SealedImage();
        byte[] whole = File.ReadAllBytes(image.Exported("app.tar", CracArchiveCompression.None));
        int offset = whole.AsSpan().IndexOf("checkpoint/pstree.img"u8) + 512 + 12;
        whole[offset] ^= 1;
        File.WriteAllBytes(image.At("app.tar"), whole);
        Refused(image, image.Import("app.tar"), CracReason.ImageCorrupt, "pstree.img", "app.tar");
    }

    [Theory]
    [InlineData("libpod", "podman container restore --import")]
    [InlineData("cri-o", "crictl create")]
    [InlineData("", "podman container restore --import")]
    public void The_archive_of_a_container_is_imported_with_what_restores_it(string manager, string command)
    {
        using var image = new SealedImage();
        using (FileStream file = File.Create(image.At("box.tar.gz")))
        using (var packed = new GZipStream(file, CompressionLevel.Fastest))
        using (var writer = new System.Formats.Tar.TarWriter(packed))
        {
            Text("config.dump", """{"name":"box"}""");
            foreach (string path in Directory.GetFiles(image.Path))
            {
                writer.WriteEntry(path, "checkpoint/" + Path.GetFileName(path));
            }

            Text("checkpoint/descriptors.json", "[]");
            Text("rootfs-diff.tar", new string('\0', 1024));
            Text("stats-dump", "statistics");
            Text("artifacts/x", "");
            foreach (string name in (string[])["status", "status.dump", "container.log", "pod.options", "pod.dump", "network.status", "bind.mounts", "deleted.files", "devshm-checkpoint.tar"])
            {
                Text(name, "{}");
            }

            Text("spec.dump", $$$"""{"annotations":{"io.container.manager":"{{{manager}}}"}}""");

            void Text(string name, string content) =>
                writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(System.Text.Encoding.ASCII.GetBytes(content)) });
        }

        string warning = Assert.Single(ImageImport.Run(image.Import("box.tar.gz")).Warnings);
        Assert.Contains(command, warning, StringComparison.Ordinal);
        Assert.Contains(image.At("box.tar.gz"), warning, StringComparison.Ordinal);
        Assert.Equal([.. SealedImage.ContentOf(image.Path).Keys, "stats-dump"], SealedImage.ContentOf(image.At("imported")).Keys);
    }

    [Fact]
    public void A_bomb_is_stopped_by_its_size_and_by_its_names()
    {
        using var image = new SealedImage();
        using (FileStream file = File.Create(image.At("bomb.tar.gz")))
        using (var packed = new GZipStream(file, CompressionLevel.Fastest))
        using (var writer = new System.Formats.Tar.TarWriter(packed))
        {
            writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "rootfs-diff.tar") { DataStream = new Zeros(200L << 20) });
        }

        Refused(image, image.Import("bomb.tar.gz") with { MaximumSize = 100 << 20 }, CracReason.NoSpace, "-MaximumSize", "bomb.tar.gz");
    }

    internal static CracException Refused(SealedImage image, ImportRequest request, CracReason? reason, string text, params string[] there)
    {
        CracException thrown = Assert.Throws<CracException>(() => ImageImport.Run(request));
        Assert.True(reason is null || thrown.Reason == reason, $"{thrown.Reason}: {thrown.Message}");
        Assert.Equal(CracOperation.Import, thrown.Operation);
        Assert.Contains(text, $"{thrown.Message} {thrown.RecommendedAction}", StringComparison.Ordinal);
        Assert.False(string.IsNullOrEmpty(thrown.RecommendedAction));
        Assert.DoesNotMatch(@"\.pscrac-[0-9a-f]{32}", thrown.Message);
        Assert.Equal(there, image.NamesBeside());
        return thrown;
    }

    private sealed class Zeros(long length) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => true;

        public override bool CanWrite => false;

        public override long Length => length;

        public override long Position { get; set; }

        public override int Read(byte[] buffer, int offset, int count)
        {
            int read = (int)Math.Min(count, length - Position);
            Array.Clear(buffer, offset, read);
            Position += read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
