using PSCrac.Common;
using PSCrac.Images.Storage;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Images;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>What a restore reads is in the folder whose owner was checked, wherever the image's path leads by then.</summary>
public sealed class ImageOverlayTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [CriuFact("python3")]
    public void An_overlays_links_lead_into_the_folder_that_was_checked()
    {
        using Subject subject = Subject.Counting();
        CracImage image = subject.Checkpoint().Image;
        using FolderHandle images = FolderHandle.TryOpen(image.Path, out _)!;
        using FolderHandle parent = FolderHandle.TryOpen(_folder.FullPath, out _)!;
        using (ImageOverlay overlay = ImageOverlay.Create(image, parent, new FileEdits()))
        {
            overlay.LinkFiles(images.DescriptorPath);
            Directory.Move(image.Path, subject.Folder.At("moved"));
            Directory.CreateDirectory(image.Path);
            foreach (string name in Directory.GetFiles(subject.Folder.At("moved")).Select(static path => Path.GetFileName(path)))
            {
                File.WriteAllText(Path.Combine(image.Path, name), "his");
            }

            int linked = 0;
            foreach (string file in Directory.GetFiles(_folder.At("image")))
            {
                Assert.NotEqual("his", File.ReadAllText(file));
                linked += new FileInfo(file).LinkTarget is null ? 0 : 1;
            }

            Assert.True(linked > 3);
            Assert.Null(new FileInfo(_folder.At("image/files.img")).LinkTarget);
        }

        Assert.Empty(_folder.Names());
    }

    [CriuFact("python3")]
    public void An_image_that_is_exchanged_after_the_check_is_refused_and_can_be_restored_when_it_is_back()
    {
        using Subject subject = Subject.Counting();
        CracImage image = subject.Checkpoint().Image;
        int phases = 0;

        // The image was checked, and criu has not begun to read it.
        var progress = new Expect.Reports(report =>
        {
            if (report.Phase == CracPhase.Restoring && phases++ == 0)
            {
                Directory.Move(image.Path, subject.Folder.At("moved"));
                ManifestImage.Make(image.Path);
            }
        });
        // criu reads the image that was checked. What reads the image by its path besides refuses the other one.
        Expect.Failure(CracReason.ImageNotTrusted, () => Restore.Run(
            new RestoreRequest { Image = image, Files = new RestoreFiles { StandardOutputPath = subject.Folder.At("out") } }, progress));
        Assert.Equal(1, phases);
        Assert.True(Subject.HasEnded(subject.ProcessId));
        Directory.Delete(image.Path, recursive: true);
        Directory.Move(subject.Folder.At("moved"), image.Path);
        using CracRestoredProcess restored = Restore.Run(new RestoreRequest { Image = image });
        subject.Program.Remember();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Another_folder_than_the_one_that_was_opened_is_not_restored_from(bool isLink)
    {
        CracImage image = CracImage.Open(ManifestImage.Make(_folder.At("image")));
        Directory.Move(image.Path, _folder.At("moved"));
        ManifestImage.Make(_folder.At("other"));
        if (isLink)
        {
            File.CreateSymbolicLink(image.Path, "other");
        }
        else
        {
            Directory.Move(_folder.At("other"), image.Path);
        }

        Expect.Failure(CracReason.ImageNotTrusted, () => Restore.Run(new RestoreRequest { Image = image, PidNamespace = CracPidNamespace.New }));
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();
}
