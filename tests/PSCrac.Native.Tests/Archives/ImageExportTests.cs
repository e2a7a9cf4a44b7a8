using System.Diagnostics;
using PSCrac.Archives;
using PSCrac.Common;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Archives;

public class ImageExportTests
{
    private const UnixFileMode PrivateFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [ProgramTheory("tar", "zstd")]
    [InlineData("app.tar.zst", CracArchiveCompression.Zstd)]
    [InlineData("app.tar", CracArchiveCompression.None)]
    public void Tar_and_zstd_read_what_was_written(string name, CracArchiveCompression compression)
    {
        using var image = new SealedImage();
        string archive = image.Exported(name, compression);
        Assert.Equal(PrivateFile, File.GetUnixFileMode(archive));
        Directory.CreateDirectory(image.At("out"));
        (int code, string error) = CriuProgram.RunProgram("tar", "-C", image.At("out"), "-xf", archive);
        Assert.True(code == 0 && error.Length == 0, error);
        string unpacked = image.At("out/checkpoint");
        Assert.Equal(SealedImage.ContentOf(image.Path), SealedImage.ContentOf(unpacked));
        Assert.Equal(PrivateFile | UnixFileMode.UserExecute, File.GetUnixFileMode(unpacked));
        Assert.All(Directory.GetFiles(unpacked), static file => Assert.Equal(PrivateFile, File.GetUnixFileMode(file)));
        Assert.Equal(new DateTime(2026, 5, 4, 3, 2, 1, DateTimeKind.Utc), File.GetLastWriteTimeUtc(unpacked + "/pages-1.img"));
        Assert.Equal(compression == CracArchiveCompression.Zstd ? 0 : 1, CriuProgram.RunProgram("zstd", "-qt", archive).ExitCode);
    }

    [ProgramFact("tar")]
    public void The_manifest_and_its_signature_come_first_and_the_pages_last()
    {
        using var image = new SealedImage();
        image.Write("pscrac.json.sig", [1]);
        image.Write("a.log", [2]);
        string archive = image.Exported("app.tar", CracArchiveCompression.None);
        using Process tar = Process.Start(new ProcessStartInfo("tar", ["-tf", archive]) { RedirectStandardOutput = true })!;
        string[] names = tar.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        tar.WaitForExit();
        Assert.Equal(
            ["checkpoint/", "checkpoint/pscrac.json", "checkpoint/pscrac.json.sig", "checkpoint/core-7.img", "checkpoint/fdinfo-2.img", "checkpoint/files.img",
                "checkpoint/ids-7.img", "checkpoint/inventory.img", "checkpoint/pstree.img", "checkpoint/pages-1.img"],
            names);
    }

    [Fact]
    public void The_same_image_gives_the_same_bytes_under_another_name_and_after_a_restore()
    {
        using var image = new SealedImage();
        byte[] tar = File.ReadAllBytes(image.Exported("one.tar", CracArchiveCompression.None));
        byte[] packed = File.ReadAllBytes(image.Exported("one.tar.zst"));
        Assert.True(packed.Length < tar.Length * 3 / 4, $"{packed.Length} of {tar.Length} bytes");
        image.Write("stats-restore", [1, 2, 3]);
        image.Write("restore.log", [1, 2, 3]);
        File.SetLastWriteTimeUtc(image.Path + "/pages-1.img", DateTime.UnixEpoch);
        Assert.Equal(tar, File.ReadAllBytes(image.Exported("two.tar", CracArchiveCompression.None)));
        Assert.Equal(packed, File.ReadAllBytes(image.Exported("two.tar.zst")));
    }

    [Fact]
    public void A_higher_level_makes_a_smaller_archive()
    {
        byte[] text = System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 100_000).Select(static i => $"line {i * 7919 % 1013} of {i % 97}\n")));
        using var image = new SealedImage(folder => folder.Write("pages-2.img", text));
        ImageExport.Run(image.Export("fast.tar.zst") with { CompressionLevel = 1 });
        ImageExport.Run(image.Export("small.tar.zst") with { CompressionLevel = ZstandardWriter.MaximumLevel });
        Assert.True(new FileInfo(image.At("small.tar.zst")).Length < new FileInfo(image.At("fast.tar.zst")).Length);
    }

    [Fact]
    public void What_is_not_the_images_is_left_out_and_named()
    {
        using var image = new SealedImage();
        image.Write("notes.txt", [1]);
        Assert.Equal(["notes.txt"], ImageExport.Run(image.Export("app.tar.zst")));
    }

    [Fact]
    public void A_file_at_the_target_is_replaced_only_with_force()
    {
        using var image = new SealedImage();
        File.WriteAllText(image.At("app.tar.zst"), "mine");
        Fails(image, image.Export("app.tar.zst"), CracReason.ImageExists, "-Force", "app.tar.zst");
        Assert.Equal("mine", File.ReadAllText(image.At("app.tar.zst")));
        ImageExport.Run(image.Export("app.tar.zst") with { Force = true });
        Assert.Equal(image.Image.Command, CracImage.Open(image.At("app.tar.zst")).Command);
        Assert.Equal(["app.tar.zst"], image.NamesBeside());
    }

    [Fact]
    public void Nothing_but_a_file_is_replaced()
    {
        using var image = new SealedImage();
        Directory.CreateDirectory(image.At("folder"));
        File.WriteAllText(image.At("precious"), "mine");
        File.CreateSymbolicLink(image.At("link"), "precious");
        Fails(image, image.Export("folder") with { Force = true }, CracReason.ImageExists, "-DestinationPath", "folder", "link", "precious");
        Fails(image, image.Export("link") with { Force = true }, CracReason.ImageExists, "-DestinationPath", "folder", "link", "precious");
        Fails(image, image.Export("none/app.tar"), CracReason.FileMissing, "New-Item", "folder", "link", "precious");
        Assert.Equal("mine", File.ReadAllText(image.At("precious")));
    }

    [RootFact]
    public void A_full_disk_leaves_nothing()
    {
        using var image = new SealedImage();
        using var disk = new SmallDisk(1);
        CracException thrown = Assert.Throws<CracException>(() => ImageExport.Run(image.Export("x") with { DestinationPath = disk.At("app.tar"), Compression = CracArchiveCompression.None }));
        Assert.Equal((CracReason.NoSpace, CracOperation.Export), (thrown.Reason, thrown.Operation));
        Assert.Empty(disk.Names());
    }

    [Fact]
    public void A_cancelled_export_leaves_nothing()
    {
        using var image = new SealedImage();
        using var cancelled = new CancellationTokenSource();
        var reports = new List<CracProgress>();
        var progress = new Reports(report =>
        {
            reports.Add(report);
            cancelled.Cancel();
        });
        Assert.ThrowsAny<OperationCanceledException>(() => ImageExport.Run(image.Export("app.tar.zst"), progress, cancelled.Token));
        Assert.Empty(image.NamesBeside());
        Assert.Equal(CracPhase.Packing, Assert.Single(reports).Phase);
        Assert.True(reports[0].ExpectedBytes > SealedImage.PagesSize);
    }

    [Fact]
    public void What_a_killed_session_left_goes_with_the_next_export_to_the_folder()
    {
        using var image = new SealedImage();
        File.WriteAllText(image.At(".pscrac-0123.partial"), "left");
        using PrivateOutput other = PrivateOutput.Create(image.At("other.tar"), force: false);
        string[] running = [.. image.NamesBeside()];
        Assert.Single(running);
        image.Exported("app.tar.zst");
        Assert.Equal([.. running, "app.tar.zst"], image.NamesBeside());
    }

    [Fact]
    public void A_damaged_image_is_not_exported()
    {
        using var image = new SealedImage();
        image.Write("pages-1.img", [1]);
        Fails(image, image.Export("app.tar"), CracReason.ImageIncomplete, "Invoke-CracCheckpoint");
    }

    [Fact]
    public void An_image_of_helper_links_is_not_exported()
    {
        using var image = new SealedImage(static folder => folder.Write(
            "remap-fpath.img", Images.Format.ImageBytes.Repeat(PSCrac.Images.Format.ImageType.RemapFpath, 1, static _ => [(1, 1), (2, 2), (3, 0)])));
        Assert.True(image.Image.IsOneShot);
        Fails(image, image.Export("app.tar"), CracReason.ResourceUnsupported, "checkpoint");
    }

    [Fact]
    public void An_archive_is_not_exported()
    {
        using var image = new SealedImage();
        CracImage archive = CracImage.Open(image.Exported("app.tar.zst"));
        Fails(image, image.Export("two.tar") with { Image = archive }, CracReason.OptionRefused, "Import-CracImage", "app.tar.zst");
    }

    private static void Fails(SealedImage image, ExportRequest request, CracReason reason, string action, params string[] there)
    {
        CracException thrown = Assert.Throws<CracException>(() => ImageExport.Run(request));
        Assert.Equal((reason, CracOperation.Export), (thrown.Reason, thrown.Operation));
        Assert.Contains(action, thrown.RecommendedAction, StringComparison.Ordinal);
        Assert.NotNull(thrown.ImagePath);
        Assert.Equal(there, image.NamesBeside());
    }
}

/// <summary>Passes reports on at once.</summary>
internal sealed class Reports(Action<CracProgress> take) : IProgress<CracProgress>
{
    public void Report(CracProgress value) => take(value);
}
