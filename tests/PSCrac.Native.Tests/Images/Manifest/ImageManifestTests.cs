using PSCrac.Images.Manifest;
using Xunit;

namespace PSCrac.Tests.Images.Manifest;

public sealed class ImageManifestTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pscrac-manifest-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_manifest_is_the_same_after_writing_and_reading()
    {
        ImageManifest manifest = Sample();
        byte[] first = Save(manifest);
        ImageManifest read = ImageManifest.Read(_folder)!;

        Assert.Equal(first, Save(read));
        Assert.Equal(manifest.Created, read.Created);
        Assert.Equal(["counter", "a b", "ü"], read.Process.Command);
        Assert.Equal(true, read.Options["shell-job"]);
        Assert.Equal(4194304L, read.Options["ghost-limit"]);
        Assert.Equal(["a", "b"], Assert.IsType<object[]>(read.Options["external"]));
        Assert.Equal(manifest.Automatic, read.Automatic);
        Assert.Equal(manifest.Files, read.Files);
        Assert.Null(read.Host.MachineId);
        Assert.Equal(manifest.Start!.Files, read.Start!.Files);
        Assert.Equal(new Dictionary<string, string?> { ["A"] = "b", ["C"] = null }, read.Start.Environment);
    }

    [Fact]
    public void A_handle_and_a_stream_get_the_same_bytes()
    {
        ImageManifest manifest = Sample();
        byte[] stream = Save(manifest);
        string path = Path.Combine(_folder, "by-handle");
        File.WriteAllBytes(path, new byte[100_000]);
        using (var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Write))
        {
            manifest.Write(handle);
        }

        Assert.Equal(stream, File.ReadAllBytes(path));
    }

    [Fact]
    public void Files_are_described_with_hashes_where_they_are_small_and_final()
    {
        File.WriteAllText(Path.Combine(_folder, "pstree.img"), "abc");
        File.WriteAllText(Path.Combine(_folder, "pages-1.img"), "abc");
        File.WriteAllBytes(Path.Combine(_folder, "ghost-file-1.img"), new byte[ImageManifest.MaximumHashedSize + 1]);
        File.WriteAllText(Path.Combine(_folder, "dump.log"), "still growing");
        File.WriteAllText(Path.Combine(_folder, "stats-dump"), "comes later");
        File.WriteAllText(Path.Combine(_folder, ImageManifest.FileName), "{}");

        Assert.Equal(
            [
                new ImageManifestFile("ghost-file-1.img", ImageManifest.MaximumHashedSize + 1, null),
                new ImageManifestFile("pages-1.img", 3, null),
                new ImageManifestFile("pstree.img", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ],
            ImageManifest.Describe(_folder));
    }

    [Theory]
    [InlineData("{ \"format\": 1,\n \"created\": 7 }", 25)]
    [InlineData("{ \"format\": 1 }", null)]
    [InlineData("not json", 0)]
    [InlineData("null", 0)]
    public void Damage_names_file_and_offset(string text, int? atLeast)
    {
        File.WriteAllText(Path.Combine(_folder, ImageManifest.FileName), text);
        CracException failure = Assert.Throws<CracException>(() => ImageManifest.Read(_folder));

        Assert.Equal(CracReason.ImageCorrupt, failure.Reason);
        Assert.Equal(ImageManifest.FileName, failure.FileName);
        Assert.InRange(failure.FileOffset!.Value, atLeast ?? 0, text.Length);
    }

    [Fact]
    public void A_newer_format_is_refused()
    {
        Save(Sample() with { Format = ImageManifest.CurrentFormat + 1 });
        Assert.Contains("format 2", Assert.Throws<CracException>(() => ImageManifest.Read(_folder)).Message);
    }

    [Fact]
    public void One_of_before_there_were_fingerprints_is_read()
    {
        string text = System.Text.Encoding.UTF8.GetString(Save(Sample() with { Start = null }));
        Assert.DoesNotContain("\"start\"", text);
        Assert.Null(ImageManifest.Read(_folder)!.Start);
    }

    [Fact]
    public void A_missing_manifest_is_not_an_error() => Assert.Null(ImageManifest.Read(_folder));

    internal static ImageManifest Sample() => new()
    {
        Created = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Host = new ImageManifestHost { Name = "here", Kernel = "6.18", CpuFeatures = ["fpu", "avx2"] },
        Process = new ImageManifestProcess { RootPid = 12, Command = ["counter", "a b", "ü"], ProcessCount = 1, ThreadCount = 3, Memory = 1 << 20 },
        CriuVersion = "4.2.1",
        Start = new ImageManifestStart
        {
            Program = "/usr/bin/counter",
            Arguments = ["a b", "ü"],
            WorkingDirectory = "/srv",
            Environment = new Dictionary<string, string?> { ["A"] = "b", ["C"] = null },
            Files =
            [
                new ImageManifestStartFile
                {
                    Path = "/usr/bin/counter",
                    Role = ImageManifestStartRole.Program,
                    Target = "/opt/counter",
                    Size = 3,
                    Modified = DateTimeOffset.UnixEpoch.AddTicks(7),
                    Changed = DateTimeOffset.UnixEpoch.AddDays(30_000),
                    Sha256 = "ba",
                },
                new ImageManifestStartFile { Path = "/var/log/counter", Role = ImageManifestStartRole.Argument, IsWritten = true },
            ],
        },
        Options = new Dictionary<string, object> { ["shell-job"] = true, ["ghost-limit"] = 4 << 20, ["external"] = new[] { "a", "b" } },
        Automatic = [new ImageManifestChoice("shell-job", null, "It has a terminal.")],
        Files = [new ImageManifestFile("pages-1.img", 4096, null)],
    };

    private byte[] Save(ImageManifest manifest)
    {
        string path = Path.Combine(_folder, ImageManifest.FileName);
        using (FileStream stream = File.Create(path))
        {
            manifest.Write(stream);
        }

        return File.ReadAllBytes(path);
    }
}
