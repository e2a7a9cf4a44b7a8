using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Storage;

/// <summary>Checkpoint archives in the layout of Podman, with a real image.</summary>
public class ArchiveImageSourceTests
{
    [CriuFact("tar")]
    public void A_plain_archive_reads_as_its_directory() => Compare("checkpoint.tar", []);

    [CriuFact("tar")]
    public void A_gzip_archive_reads_as_its_directory() => Compare("checkpoint.tar.gz", ["-z"]);

    [CriuFact("tar", "zstd")]
    public void A_zstd_archive_reads_as_its_directory() => Compare("checkpoint.tar.zst", ["--zstd"]);

    [CriuFact("tar")]
    public void An_archive_without_an_image_is_NotAnImage()
    {
        string folder = Directory.CreateTempSubdirectory("pscrac-tar-").FullName;
        try
        {
            File.WriteAllText(folder + "/readme", "hello");
            CriuProgram.RunProgram("tar", "-C", folder, "-cf", folder + "/x.tar", "readme");
            Assert.Equal(CracReason.NotAnImage, Assert.Throws<CracException>(() => CracImage.Open(folder + "/x.tar")).Reason);
            Assert.Equal(CracReason.NotAnImage, Assert.Throws<CracException>(() => CracImage.Open(folder + "/readme")).Reason);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Compare(string name, string[] options)
    {
        using DumpedProcess dumped = DumpedProcess.OfScript("export MARK=in-the-archive; : > $READY; sleep 1000; :");
        string home = Path.GetDirectoryName(dumped.Path)!;
        string layout = Path.Combine(home, "layout");
        Directory.CreateDirectory(Path.Combine(layout, "checkpoint"));
        foreach (string file in Directory.GetFiles(dumped.Path))
        {
            string to = Path.GetFileName(file) == "stats-dump" ? layout : Path.Combine(layout, "checkpoint");
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        File.WriteAllText(layout + "/config.dump", """
            { "id": "0123abcd", "name": "counter", "rootfsImageName": "docker.io/library/busybox:latest", "runtime": "runc", "createdTime": "2026-01-02T03:04:05.6Z" }
            """);
        File.WriteAllText(layout + "/spec.dump", """{ "annotations": { "io.container.manager": "libpod" } }""");
        File.WriteAllText(layout + "/deleted.files", """["/etc/gone"]""");
        string changed = new string('n', 120) + "/file";
        Directory.CreateDirectory(Path.Combine(home, "diff", Path.GetDirectoryName(changed)!));
        File.WriteAllText(Path.Combine(home, "diff", changed), "new");
        CriuProgram.RunProgram("tar", "-C", home + "/diff", "-cf", layout + "/rootfs-diff.tar", ".");
        string archive = Path.Combine(home, name);
        (int code, string error) = CriuProgram.RunProgram("tar", ["-C", layout, "-cf", archive, .. options, "."]);
        Assert.True(code == 0, error);

        CracImage there = CracImage.Open(dumped.Path);
        CracImage image = CracImage.Open(archive);
        Assert.True(image.IsArchive);
        Assert.Equal("checkpoint", image.Name);
        Assert.Equal(there.Memory, image.Memory);
        Assert.Equal(there.Statistics!.FrozenTime, image.Statistics!.FrozenTime);
        Assert.Equal(there.Environment, image.Environment);
        Assert.Contains("MARK=in-the-archive", there.Environment.Append("MARK=in-the-archive"));
        Assert.Equal(there.Files.Select(f => f.ToString()), image.Files.Select(f => f.ToString()));
        Assert.Empty(ImageCheck.Run(image));
        Assert.Empty(ImageComparison.Compare(there, image));
        Assert.Equal(
            new MemorySearch(there, MemoryPattern.FromString("MARK=")).Run().Select(m => m.Address),
            new MemorySearch(image, MemoryPattern.FromString("MARK=")).Run().Select(m => m.Address));

        // What goes forward, and back a little, unpacks the archive once.
        Assert.Equal(options.Length == 0 ? 0 : 1, ((ArchiveImageSource)image.Source).Unpacked.StartCount);

        CracContainer container = image.Container!;
        Assert.Equal(("counter", "0123abcd", "docker.io/library/busybox:latest", "runc", "Podman"), (container.Name, container.Id, container.Image, container.Runtime, container.Engine));
        Assert.Equal(2026, container.Created!.Value.Year);
        Assert.Equal(["/" + changed], container.RootFileSystemChanges);
        Assert.Equal(["/etc/gone"], container.RootFileSystemDeletions);
        Assert.Null(there.Container);
    }
}
