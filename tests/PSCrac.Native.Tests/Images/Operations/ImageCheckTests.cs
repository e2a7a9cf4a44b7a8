using PSCrac.Images.Manifest;
using PSCrac.Images.Memory;
using PSCrac.Images.Operations;
using PSCrac.Tests.Images.Manifest;
using PSCrac.Tests.Images.Memory;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Operations;

/// <summary>Checks intact and damaged images.</summary>
[Collection(Zoo.Collection)]
public class ImageCheckTests(Zoo zoo)
{
    [CriuFact("python3")]
    public void An_intact_image_has_no_findings() => Assert.Empty(zoo.All.SelectMany(image => ImageCheck.Run(image)));

    [CriuFact]
    public void Files_of_an_earlier_checkpoint_in_the_folder_are_not_damage()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        CracImage image = CracImage.Open(dumped.Path);
        PagemapFile.Write(Path.Combine(dumped.Path, "pagemap-2000000000.img"), image.Processes[0].Pages!.PagesId, [new PageRun(0x10000, 7, PageFlags.Present, 0)]);
        Assert.Empty(ImageCheck.Run(CracImage.Open(dumped.Path)));
        PagemapFile.Write(Path.Combine(dumped.Path, "pagemap-shmem-2000000000.img"), image.Processes[0].Pages!.PagesId, [new PageRun(0x10000, 7, PageFlags.Present, 0)]);
        Assert.NotEmpty(ImageCheck.Run(CracImage.Open(dumped.Path)));
    }

    [CriuFact]
    public void Every_kind_of_damage_is_found()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript("exec 7</etc/passwd; : > $READY; sleep 1000 & wait");
        CracImageProcess root = CracImage.Open(dumped.Path).Processes[0];
        string pages = root.Pages!.PagesFile;
        AssertFinding(dumped.Path, pages, bytes => bytes[..^4096], pages);
        AssertFinding(dumped.Path, "files.img", bytes => bytes[..8], "files.img");
        AssertFinding(dumped.Path, "pstree.img", bytes => [.. bytes[..4], 1, 2, 3, 4, .. bytes[8..]], "pstree.img");
        AssertFinding(dumped.Path, $"mm-{root.ProcessId}.img", null, $"mm-{root.ProcessId}.img");
        AssertFinding(dumped.Path, PageMap.NameFor(root.ProcessId), null, PageMap.NameFor(root.ProcessId));
        AssertFinding(dumped.Path, "core-" + root.ProcessId + ".img", bytes => bytes[..^1], "core-" + root.ProcessId + ".img");
        Assert.Empty(ImageCheck.Run(CracImage.Open(dumped.Path)));
    }

    [CriuFact]
    public void Files_are_compared_with_the_sizes_and_hashes_of_the_manifest()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        using (FileStream stream = File.Create(Path.Combine(dumped.Path, ImageManifest.FileName)))
        {
            (ImageManifestTests.Sample() with { Files = ImageManifest.Describe(dumped.Path) }).Write(stream);
        }

        Assert.Empty(ImageCheck.Run(CracImage.Open(dumped.Path)));
        // A changed number in a message that stays well-formed: only the hash tells.
        string fs = Directory.GetFiles(dumped.Path, "fs-*.img")[0];
        byte[] bytes = File.ReadAllBytes(fs);
        bytes[^1] ^= 1;
        File.WriteAllBytes(fs, bytes);
        CracImageFinding finding = Assert.Single(ImageCheck.Run(CracImage.Open(dumped.Path)));
        Assert.Equal(CracReason.ImageCorrupt, finding.Reason);
        Assert.Equal(Path.GetFileName(fs), finding.FileName);
    }

    private static void AssertFinding(string path, string file, Func<byte[], byte[]>? damage, string named)
    {
        string full = Path.Combine(path, file);
        byte[] sound = File.ReadAllBytes(full);
        if (damage is null)
        {
            File.Delete(full);
        }
        else
        {
            File.WriteAllBytes(full, damage(sound));
        }

        try
        {
            Assert.Contains(named, ImageCheckOrOpen(path));
        }
        finally
        {
            File.WriteAllBytes(full, sound);
        }
    }

    /// <summary>The files named by findings or, if the image cannot be opened, by the exception.</summary>
    private static string?[] ImageCheckOrOpen(string path)
    {
        try
        {
            return [.. ImageCheck.Run(CracImage.Open(path)).Select(f => f.FileName)];
        }
        catch (CracException e)
        {
            return [e.FileName];
        }
    }
}
