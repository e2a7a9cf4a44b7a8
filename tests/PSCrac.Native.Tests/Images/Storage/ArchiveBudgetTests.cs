using System.Formats.Tar;
using System.IO.Compression;
using PSCrac.Images.Storage;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Storage;

/// <summary>A compressed archive may hold a thousand times its own size: what is kept of it has limits over the whole archive.</summary>
public class ArchiveBudgetTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public void Names_longer_than_any_path_are_damage()
    {
        Refused(writer => writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, new string('p', 200_000))), "more than the 4096 of any path");
        Refused(writer => writer.WriteEntry(new GnuTarEntry(TarEntryType.RegularFile, new string('g', 5000))), "more than the 4096 of any path");
    }

    [Fact]
    public void Header_records_have_a_size_limit() => Refused(
        writer => writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "a", [KeyValuePair.Create("SCHILY.xattr.user.x", new string('v', 2 * MiB))])),
        $"more than the {MiB} that are read");

    [Fact]
    public void The_names_of_an_archive_have_a_limit_together() => Refused(
        writer =>
        {
            for (int i = 0; i < 4000; i++)
            {
                writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"{i}/{new string('n', 3000)}"));
            }
        },
        $"more than {NameBudget.MaximumImageNames} characters");

    [Fact]
    public void The_files_of_an_archive_have_a_limit() => Refused(
        writer =>
        {
            for (int i = 0; i <= NameBudget.MaximumImageFiles; i++)
            {
                writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, $"f{i}"));
            }
        },
        $"more than {NameBudget.MaximumImageFiles} files");

    [Fact]
    public void Large_extended_attributes_within_the_limit_are_skipped()
    {
        using var archive = new TestArchive(writer =>
        {
            for (int i = 0; i < 50; i++)
            {
                writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"f{i}", [KeyValuePair.Create("SCHILY.xattr.user.x", new string('v', MiB / 2))]));
            }
        });
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(50, new ArchiveImageSource(archive.Path).Files.Count);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 * MiB);
    }

    [Fact]
    public void What_is_kept_has_a_limit_and_the_rest_is_read_when_it_is_needed()
    {
        byte[] content = new byte[4 * MiB];
        using var archive = new TestArchive(writer =>
        {
            for (int i = 0; i < 60; i++)
            {
                content.AsSpan().Fill((byte)i);
                writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, $"f{i}.img") { DataStream = new MemoryStream(content) });
            }
        });
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var source = new ArchiveImageSource(archive.Path);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, 0, ArchiveImageSource.MaximumKeptTotalSize + (4 * MiB));
        foreach (int i in (int[])[0, 30, 59])
        {
            using ImageFile file = source.Open($"f{i}.img");
            file.ReadExactlyAt(0, content);
            Assert.Equal(-1, content.AsSpan().IndexOfAnyExcept((byte)i));
        }
    }

    [ProgramFact("zstd")]
    public void A_zstd_frame_that_takes_much_memory_is_refused()
    {
        using var archive = new TestArchive(writer => writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "inventory.img") { DataStream = new MemoryStream(new byte[100 * MiB]) }), compress: false);
        Pack("--long=27", fails: true);
        Pack("-19", fails: false);

        void Pack(string option, bool fails)
        {
            CriuProgram.RunProgram("zstd", "-qf", option, archive.Path, "-o", archive.Path + ".zst");
            try
            {
                CracException? thrown = Record.Exception(() => new ArchiveImageSource(archive.Path + ".zst")) as CracException;
                Assert.Equal(fails, thrown is not null);
                Assert.True(!fails || thrown!.Message.Contains("32 MiB", StringComparison.Ordinal), thrown?.Message);
            }
            finally
            {
                File.Delete(archive.Path + ".zst");
            }
        }
    }

    private static void Refused(Action<TarWriter> write, string limit)
    {
        byte[] random = new byte[4096];
        new Random(1).NextBytes(random);
        using var archive = new TestArchive(writer =>
        {
            // Without it, the archive may be too short to be one.
            writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "random") { DataStream = new MemoryStream(random) });
            write(writer);
        });
        long before = GC.GetAllocatedBytesForCurrentThread();
        CracException thrown = Assert.Throws<CracException>(() => new ArchiveImageSource(archive.Path));
        Assert.Equal(CracReason.ImageCorrupt, thrown.Reason);
        Assert.Contains(limit, thrown.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100 * MiB);
    }

    /// <summary>An archive in a temporary folder, compressed with gzip unless it says otherwise.</summary>
    private sealed class TestArchive : IDisposable
    {
        private readonly string _folder = Directory.CreateTempSubdirectory("pscrac-budget-").FullName;

        internal TestArchive(Action<TarWriter> write, bool compress = true)
        {
            using FileStream file = File.Create(Path);
            using Stream content = compress ? new GZipStream(file, CompressionLevel.Fastest) : file;
            using var writer = new TarWriter(content);
            write(writer);
        }

        internal string Path => System.IO.Path.Combine(_folder, "checkpoint.tar");

        public void Dispose() => Directory.Delete(_folder, recursive: true);
    }
}
