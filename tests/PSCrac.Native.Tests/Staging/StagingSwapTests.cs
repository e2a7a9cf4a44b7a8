using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Images.Storage;
using PSCrac.Staging;
using PSCrac.Tests.Images;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Staging;

/// <summary>A neighbour who may write beside an image exchanges its folder for a link while it is made, put in place and cleaned up.</summary>
public sealed class StagingSwapTests : IDisposable
{
    private const int Rounds = 40;
    private static readonly string[] s_files = ["pages-1.img", "core-1.img", "stats-dump", "dump.log"];
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_rollback_removes_only_what_was_staged()
    {
        var victim = new Victim(_folder, s_files);
        for (int round = 0; round < Rounds; round++)
        {
            using ImageStaging staging = ImageStaging.Create(_folder.At("image"), force: false);
            Fill(staging.Folder.Path);
            using (new Swapper(_folder.FullPath, Path.GetFileName(staging.Folder.Path), Victim.Link))
            {
                staging.RollBack();
            }

            Assert.Empty(staging.Folder.ReadNames() ?? []);
            PutLinkBack(staging.Folder.Path);
        }

        victim.AssertUnharmed();
    }

    [Fact]
    public void Only_the_image_that_was_replaced_is_removed()
    {
        var victim = new Victim(_folder, ManifestImage.Names);
        for (int round = 0; round < Rounds; round++)
        {
            ManifestImage.Make(_folder.At("image"));
            using ImageStaging staging = ImageStaging.Create(_folder.At("image"), force: true);
            Fill(staging.Folder.Path);
            staging.Commit(sync: false);
            using (new Swapper(_folder.FullPath, Path.GetFileName(staging.Folder.Path), Victim.Link))
            {
                staging.Finish();
            }

            PutLinkBack(staging.Folder.Path);
            Assert.Equal(s_files.Order(StringComparer.Ordinal), ManifestImage.NamesIn(_folder.At("image")));
            Directory.Delete(_folder.At("image"), recursive: true);
        }

        victim.AssertUnharmed();
    }

    [Fact]
    public void What_is_put_at_the_target_after_the_look_at_it_is_not_replaced()
    {
        var victim = new Victim(_folder, "inventory.img");
        Directory.CreateDirectory(_folder.At("image"));
        int refused = 0;
        using (var swapper = new Swapper(_folder.FullPath, "image", Victim.Link))
        {
            for (int round = 0; round < Rounds; round++)
            {
                using ImageStaging? staging = TryCreate();
                if (staging is null)
                {
                    refused++;
                    continue;
                }

                try
                {
                    staging.Commit(sync: false);
                }
                catch (CracException e)
                {
                    Assert.Equal(CracReason.ImageExists, e.Reason);
                    refused++;
                }

                staging.RollBack();
            }
        }

        victim.AssertUnharmed();
        Assert.NotEqual(0, refused);

        // Who exchanges names there decides which is left; but nothing of the image is.
        Assert.All(_folder.Names().Except(["victim"]), name => Assert.True(new DirectoryInfo(_folder.At(name)).LinkTarget is not null || ManifestImage.NamesIn(_folder.At(name)).Length == 0));
    }

    [Fact]
    public void An_abandoned_folder_is_removed_and_nothing_that_a_link_in_its_place_leads_to()
    {
        var victim = new Victim(_folder, s_files);
        using FolderHandle folder = FolderHandle.TryOpen(_folder.FullPath, out _)!;
        for (int round = 0; round < Rounds; round++)
        {
            string abandoned = Directory.CreateDirectory(_folder.At(StagingFolder.NewName())).FullName;
            Fill(abandoned);
            using (new Swapper(_folder.FullPath, Path.GetFileName(abandoned), Victim.Link))
            {
                StagingFolder.RemoveAbandoned(folder, TrustedUsers.Read());
            }

            PutLinkBack(abandoned, isRemoved: false);
            StagingFolder.RemoveAbandoned(folder, TrustedUsers.Read());
        }

        victim.AssertUnharmed();
        Assert.Equal([Victim.Link, "victim"], _folder.Names());
    }

    [RootFact]
    public void An_abandoned_folder_of_someone_else_stays()
    {
        string abandoned = Directory.CreateDirectory(_folder.At(StagingFolder.NewName())).FullName;
        Fill(abandoned);
        Ownership.Give(abandoned, Ownership.Stranger);

        using (ImageStaging staging = ImageStaging.Create(_folder.At("image"), force: false))
        {
            staging.RollBack();
        }

        Assert.Equal(s_files.Order(StringComparer.Ordinal), ManifestImage.NamesIn(abandoned));
    }

    [CriuFact("python3")]
    public void Log_and_statistics_follow_an_image_that_was_moved_and_not_the_link_in_its_place()
    {
        using Subject subject = Subject.Counting();
        var victim = new Victim(subject.Folder, "letter");

        CheckpointResult result = subject.Checkpoint(progress: Expect.At(CracPhase.Finishing, () =>
        {
            Directory.Move(subject.ImagePath, subject.Folder.At("moved"));
            Directory.Move(subject.Folder.At(Victim.Link), subject.ImagePath);
        }));

        victim.AssertUnharmed();
        Assert.Equal(subject.Folder.At("moved"), result.Image.Path);
        Assert.NotNull(result.Image.Statistics);
        Assert.True(File.Exists(subject.Folder.At("moved/dump.log")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(subject.Folder.At("moved/dump.log")));
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private static void Fill(string path)
    {
        foreach (string name in s_files)
        {
            File.WriteAllText(Path.Combine(path, name), "mine");
        }
    }

    // What was removed under the link's name leaves the link under the other.
    private void PutLinkBack(string path, bool isRemoved = true)
    {
        if (!Path.Exists(_folder.At(Victim.Link)))
        {
            Directory.Move(path, _folder.At(Victim.Link));
        }
        else if (isRemoved && Directory.Exists(path))
        {
            Directory.Delete(path);
        }
    }

    private ImageStaging? TryCreate()
    {
        try
        {
            return ImageStaging.Create(_folder.At("image"), force: true);
        }
        catch (CracException e) when (e.Reason == CracReason.ImageExists)
        {
            return null;
        }
    }
}
