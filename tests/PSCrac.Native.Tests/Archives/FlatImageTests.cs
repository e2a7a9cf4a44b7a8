using PSCrac.Archives;
using PSCrac.Archives.Signatures;
using PSCrac.Images.Format;
using PSCrac.Images.Memory;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Options;
using PSCrac.Staging;
using PSCrac.Tests.Archives.Signatures;
using PSCrac.Tests.Images;
using PSCrac.Tests.Images.Memory;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Archives;

/// <summary>Incremental images, made of whole ones as criu makes them on a kernel that tracks changed pages.</summary>
public class FlatImageTests
{
    [CriuFact("python3")]
    public void An_incremental_image_is_exported_with_the_pages_of_its_parents_and_is_restored()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        string child = subject.Folder.At("child");
        Split(subject.ImagePath, child);
        Assert.NotNull(CracImage.Open(child).Source.Parent);
        ImageExport.Run(new ExportRequest { Image = CracImage.Open(child), DestinationPath = subject.Folder.At("child.tar.zst") });

        // The parent is not there any more.
        Directory.Move(subject.ImagePath, subject.Folder.At("whole"));
        CracImage flat = ImageImport.Run(new ImportRequest { SourcePath = subject.Folder.At("child.tar.zst"), ImagePath = subject.ImagePath }).Image;
        Assert.Null(flat.Source.Parent);
        Assert.Empty(ImageComparison.Compare(CracImage.Open(subject.Folder.At("whole")), flat));
        Assert.Empty(ImageCheck.Run(flat));
        subject.Restore();
        subject.AssertCountsPast(subject.Count + 5);
    }

    [CriuTheory("python3")]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Compressed_pages_of_an_image_and_of_its_parents_are_taken_in(bool isChildCompressed, bool isParentCompressed)
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        string whole = subject.Folder.At("whole");
        CopyImage(subject.ImagePath, whole);
        string child = subject.Folder.At("child");
        Split(subject.ImagePath, child);
        if (isChildCompressed)
        {
            CompressedImage.Create(child, 4);
        }

        if (isParentCompressed)
        {
            CompressedImage.Create(subject.ImagePath, 4);
        }

        ImageExport.Run(new ExportRequest { Image = CracImage.Open(child), DestinationPath = subject.Folder.At("child.tar.zst") });
        CracImage flat = ImageImport.Run(new ImportRequest { SourcePath = subject.Folder.At("child.tar.zst"), ImagePath = subject.ImagePath, Force = true }).Image;
        Assert.Null(flat.Source.Parent);
        Assert.Empty(ImageComparison.Compare(CracImage.Open(whole), flat));
        Assert.Empty(ImageCheck.Run(flat));
        Assert.Equal((false, (uint?)ImageInventory.VersionWithoutCompression), (flat.IsCompressed, flat.FormatVersion));
        foreach (string path in Directory.GetFiles(flat.Path, "pagemap-*.img"))
        {
            Assert.False(PageMap.Read(flat.Source, Path.GetFileName(path))!.HasBlocks);
        }

        subject.Restore();
        subject.AssertCountsPast(subject.Count + 5);
    }

    [CriuFact]
    public void An_image_whose_parent_is_gone_is_not_exported()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        string child = subject.Folder.At("child");
        Split(subject.ImagePath, child);
        string map = Directory.GetFiles(subject.ImagePath, "pagemap-*.img").First();
        File.Delete(map);
        CracException thrown = Assert.Throws<CracException>(() => ImageExport.Run(new ExportRequest { Image = CracImage.Open(child), DestinationPath = subject.Folder.At("child.tar") }));
        Assert.Equal(CracReason.ImageIncomplete, thrown.Reason);
        Assert.Contains("parent", thrown.RecommendedAction, StringComparison.Ordinal);
        Assert.False(File.Exists(subject.Folder.At("child.tar")));
    }

    [CriuFact("python3", "ssh-keygen")]
    public void An_incremental_image_is_signed_with_the_pages_of_its_parents_in_it()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        string child = subject.Folder.At("child");
        Split(subject.ImagePath, child);
        Seal(child, CracImage.Open(subject.ImagePath));
        string key = subject.Folder.At("key");
        SigningScene.Keygen("-q", "-t", "ed25519", "-N", "", "-f", key);
        File.WriteAllText(Path.Combine(child, "notes.txt"), "of the folder");
        string[] names = Directory.GetFiles(child);
        CracException refused = Assert.Throws<CracException>(() => ImageSigning.Sign(CracImage.Open(child), key));
        Assert.Contains("notes.txt", refused.Message, StringComparison.Ordinal);
        Assert.Equal(names, Directory.GetFiles(child));
        File.Delete(Path.Combine(child, "notes.txt"));

        CracImage signed = ImageSigning.Sign(CracImage.Open(child), key);

        Assert.Null(signed.Source.Parent);
        Assert.NotNull(signed.ClaimedSigner);
        Assert.All(signed.Manifest!.Files, static file => Assert.NotNull(file.Sha256));
        Assert.DoesNotContain(subject.Folder.Names(), static name => name[0] == '.');
        Directory.Move(subject.ImagePath, subject.Folder.At("whole"));
        Assert.Empty(ImageComparison.Compare(CracImage.Open(subject.Folder.At("whole")), signed));
        Assert.Empty(ImageCheck.Run(signed));
        File.WriteAllText(subject.Folder.At("allowed"), $"me {File.ReadAllText(key + ".pub")}");
        Directory.Move(child, subject.ImagePath);
        Assert.Equal("me", SignatureCheck.Verify(CracImage.Open(subject.ImagePath).Source, subject.Folder.At("allowed"), CancellationToken.None).Name);
        subject.Restore();
        subject.AssertCountsPast(subject.Count + 5);
    }

    [CriuFact("ssh-keygen")]
    public void A_folder_that_is_imported_takes_in_its_parents_unless_it_is_signed()
    {
        using Subject subject = Subject.Counting();
        subject.Checkpoint();
        string child = subject.Folder.At("child");
        Split(subject.ImagePath, child);
        Seal(child, CracImage.Open(subject.ImagePath));
        var request = new ImportRequest { SourcePath = child, ImagePath = subject.Folder.At("imported") };
        CracImage flat = ImageImport.Run(request).Image;
        Assert.Null(flat.Source.Parent);
        Assert.Empty(ImageComparison.Compare(CracImage.Open(subject.ImagePath), flat));

        string key = subject.Folder.At("key");
        SigningScene.Keygen("-q", "-t", "ed25519", "-N", "", "-f", key);
        SigningScene.Keygen("-Y", "sign", "-n", "pscrac", "-f", key, Path.Combine(child, "pscrac.json"));
        CracException refused = Assert.Throws<CracException>(() => ImageImport.Run(request with { Force = true }));
        Assert.Equal(CracReason.SignatureInvalid, refused.Reason);
        Assert.Contains("Protect-CracImage", refused.RecommendedAction, StringComparison.Ordinal);
    }

    private static void Seal(string image, CracImage like)
    {
        using FolderHandle folder = FolderHandle.TryOpen(image, out _)!;
        ImageSeal.SealInPlace(folder, like.Manifest!, sync: false);
    }

    private static void CopyImage(string image, string copy)
    {
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(image).Where(static file => Path.GetFileName(file) is not "pscrac.json"))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }
    }

    // The child keeps every other page of each run, and takes the others from the parent.
    private static void Split(string parent, string child)
    {
        CopyImage(parent, child);
        CracImage whole = CracImage.Open(parent);
        foreach (string path in Directory.GetFiles(child, "pagemap-*.img"))
        {
            PageMap map = PageMap.Read(whole.Source, Path.GetFileName(path))!;
            byte[] pages = File.ReadAllBytes(Path.Combine(parent, map.PagesFile));
            using FileStream kept = File.Create(Path.Combine(child, map.PagesFile));
            var runs = new List<PageRun>();
            foreach (PageRun run in map.Runs)
            {
                for (ulong page = 0; page < run.Pages; page++)
                {
                    bool isOwn = page % 2 == 0;
                    runs.Add(new PageRun(run.Address + (page * 4096), 1, isOwn ? PageFlags.Present : PageFlags.Parent, 0));
                    if (isOwn)
                    {
                        kept.Write(pages, (int)(run.FilePage + page) * 4096, 4096);
                    }
                }
            }

            PagemapFile.Write(path, map.PagesId, runs);
        }

        Directory.CreateSymbolicLink(Path.Combine(child, "parent"), parent);
    }
}
