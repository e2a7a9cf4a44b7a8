using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Staging;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Staging;

/// <summary>Where an image goes, and what becomes of what is there.</summary>
public class StagingTests
{
    private const UnixFileMode PrivateFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode PrivateFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    [CriuFact("python3")]
    public void An_image_is_private()
    {
        using Subject subject = Subject.Counting();

        subject.Checkpoint();

        Assert.Equal(PrivateFolder, File.GetUnixFileMode(subject.ImagePath));
        Assert.All(Directory.GetFiles(subject.ImagePath), file => Assert.Equal(PrivateFile, File.GetUnixFileMode(file)));
        Assert.Equal(["image"], subject.Folder.Names());
    }

    [CriuFact("python3")]
    public void Folders_above_the_image_are_made()
    {
        using Subject subject = Subject.Counting();
        string path = subject.Folder.At("a/b/c");

        CheckpointResult result = Checkpoint.Run(new CheckpointRequest { ProcessId = subject.ProcessId, ImagePath = path });

        Assert.Equal(path, result.Image.Path);
    }

    [CriuTheory]
    [InlineData("image")]
    [InlineData("new/folder/image")]
    public void A_program_that_watches_where_its_image_goes_is_restored(string name)
    {
        using var folder = new TemporaryFolder();
        string watched = Directory.CreateDirectory(folder.At("watched")).FullName;
        using Subject subject = Subject.Watching(watched);

        CheckpointResult result = Checkpoint.Run(new CheckpointRequest { ProcessId = subject.ProcessId, ImagePath = Path.Combine(watched, name) });
        using CracRestoredProcess restored = Restore.Run(new RestoreRequest { Image = result.Image });
        subject.Program.Remember();
        File.WriteAllText(Path.Combine(watched, "noticed"), "");

        Wait.Until(() => subject.LastLine() == "noticed", () => $"it noticed {subject.LastLine()}; {subject.Program.ReadErrors()}");
        Assert.Equal(["watched"], folder.Names());
    }

    [CriuFact("python3")]
    public void An_image_that_is_there_stays_without_force_and_is_replaced_with_it()
    {
        using Subject subject = Subject.Counting();
        var goOn = new CheckpointOptions { LeaveRunning = true };
        DateTimeOffset first = subject.Checkpoint(goOn).Image.Created;

        Expect.Failure(CracReason.ImageExists, () => subject.Checkpoint(goOn));
        Assert.Equal(first, CracImage.Open(subject.ImagePath).Created);
        CheckpointResult second = subject.Checkpoint(goOn, force: true);

        Assert.True(second.Image.Created > first);
        Assert.Null(second.ReplacedImagePath);
        subject.AssertUnharmed("image");
    }

    [CriuFact("python3")]
    public void A_failed_checkpoint_with_force_leaves_the_image_that_was_there()
    {
        using Subject subject = Subject.Counting();
        DateTimeOffset first = subject.Checkpoint(new() { LeaveRunning = true }).Image.Created;
        var progress = Expect.At(CracPhase.Finishing, () => throw new CracException(CracReason.SealFailed, "after the commit", "none"));

        Expect.Failure(CracReason.SealFailed, () => Checkpoint.Run(
            new CheckpointRequest { ProcessId = subject.ProcessId, ImagePath = subject.ImagePath, Force = true }, progress));

        Assert.Equal(first, CracImage.Open(subject.ImagePath).Created);
        subject.AssertUnharmed("image");
    }

    [CriuFact("python3")]
    public void Force_does_not_replace_what_is_no_image()
    {
        using Subject subject = Subject.Counting();
        Directory.CreateDirectory(subject.ImagePath);
        File.WriteAllText(Path.Combine(subject.ImagePath, "letter"), "dear");

        Expect.Failure(CracReason.ImageExists, () => subject.Checkpoint(force: true));

        Assert.Equal("dear", File.ReadAllText(Path.Combine(subject.ImagePath, "letter")));
        subject.AssertUnharmed("image");
    }

    [CriuFact("python3")]
    public void A_link_where_the_image_should_go_is_not_followed()
    {
        using Subject subject = Subject.Counting();
        File.CreateSymbolicLink(subject.ImagePath, subject.Folder.At("elsewhere"));

        Expect.Failure(CracReason.ImageExists, () => subject.Checkpoint());
        Expect.Failure(CracReason.ImageExists, () => subject.Checkpoint(force: true));

        subject.AssertUnharmed("image");
    }

    [CriuFact("python3")]
    public void What_appears_at_the_target_during_the_dump_is_left_alone()
    {
        using Subject subject = Subject.Counting();
        string letter = Path.Combine(subject.ImagePath, "letter");
        void Appear()
        {
            Directory.CreateDirectory(subject.ImagePath);
            File.WriteAllText(letter, "dear");
        }

        Expect.Failure(CracReason.ImageExists, () => subject.Checkpoint(progress: Expect.At(CracPhase.Sealing, Appear)));
        Assert.Equal("dear", File.ReadAllText(letter));
        Directory.Delete(subject.ImagePath, recursive: true);
        Expect.Failure(CracReason.ImageExists, () => subject.Checkpoint(progress: Expect.At(CracPhase.Sealing, Appear), force: true));

        Assert.Equal(["letter"], Directory.GetFileSystemEntries(subject.ImagePath).Select(path => Path.GetFileName(path)));
        subject.AssertUnharmed("image");
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void A_disk_that_fills_up_during_the_dump_is_told_and_the_process_lives()
    {
        using Subject subject = Subject.Python("big = bytearray(b'\\x5a') * (20 << 20)\n" + Subject.Counter);
        using var disk = new SmallDisk(4);

        CracException failure = Expect.Failure(CracReason.NoSpace, () => Checkpoint.Run(
            new CheckpointRequest { ProcessId = subject.ProcessId, ImagePath = disk.At("image") }));

        Assert.True(File.Exists(failure.LogPath));
        Assert.Empty(disk.Names());
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void A_disk_that_is_full_when_the_image_is_sealed_is_told_and_the_process_lives()
    {
        using Subject subject = Subject.Counting();
        using var disk = new SmallDisk(64);

        Expect.Failure(CracReason.NoSpace, () => Checkpoint.Run(
            new CheckpointRequest { ProcessId = subject.ProcessId, ImagePath = disk.At("image") }, Expect.At(CracPhase.Sealing, disk.Fill)));

        Assert.Equal(["filler"], disk.Names());
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void A_parent_that_is_a_file_is_told()
    {
        using Subject subject = Subject.Counting();
        File.WriteAllText(subject.Folder.At("file"), "");

        Expect.Failure(CracReason.SealFailed, () => Checkpoint.Run(
            new CheckpointRequest { ProcessId = subject.ProcessId, ImagePath = subject.Folder.At("file/image") }));

        subject.AssertUnharmed("file");
    }

    [Fact]
    public void What_a_killed_session_left_goes_with_the_next_image_beside_it()
    {
        using var folder = new TemporaryFolder();
        string abandoned = Path.Combine(folder.FullPath, $".pscrac-{Guid.NewGuid():N}.partial");
        string strange = Path.Combine(folder.FullPath, $".pscrac-{Guid.NewGuid():N}.partial");
        foreach (string each in (string[])[abandoned, strange])
        {
            Directory.CreateDirectory(each);
            File.WriteAllText(Path.Combine(each, "pages-1.img"), "pages");
        }

        File.WriteAllText(Path.Combine(strange, "letter"), "dear");
        using ImageStaging alive = ImageStaging.Create(folder.At("one"), force: false);
        using ImageStaging next = ImageStaging.Create(folder.At("two"), force: false);

        Assert.False(Directory.Exists(abandoned));
        Assert.Equal(["letter"], Directory.EnumerateFileSystemEntries(strange).Select(Path.GetFileName));
        Assert.True(Directory.Exists(alive.Folder.Path));
        Assert.True(Directory.Exists(next.Folder.Path));
    }

    [CriuFact("python3")]
    public void An_image_about_to_be_replaced_is_not_taken_for_one_that_was_left()
    {
        using Subject subject = Subject.Counting();
        DateTimeOffset first = subject.Checkpoint(new() { LeaveRunning = true }).Image.Created;
        var progress = Expect.At(CracPhase.Finishing, () =>
        {
            using (ImageStaging other = ImageStaging.Create(subject.Folder.At("other"), force: false))
            {
                other.RollBack();
            }

            throw new CracException(CracReason.SealFailed, "after the commit", "none");
        });

        Expect.Failure(CracReason.SealFailed, () => Checkpoint.Run(
            new CheckpointRequest { ProcessId = subject.ProcessId, ImagePath = subject.ImagePath, Force = true }, progress));

        Assert.Equal(first, CracImage.Open(subject.ImagePath).Created);
        subject.AssertUnharmed("image");
    }
}
