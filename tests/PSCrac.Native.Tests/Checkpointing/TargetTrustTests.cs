using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Checkpointing;

/// <summary>A target whose image no restore would trust is refused while the process lives.</summary>
public class TargetTrustTests
{
    [CriuFact("python3")]
    public void A_folder_of_another_user_is_refused_before_the_process_is_killed()
    {
        using Subject subject = Subject.Counting();
        Ownership.Give(subject.Folder.FullPath, Ownership.Stranger);

        CracException failure = Expect.Failure(CracReason.ImageNotTrusted, () => subject.Checkpoint());

        Assert.Contains(subject.Folder.FullPath, failure.Message, StringComparison.Ordinal);
        Assert.Contains("-ImagePath", failure.RecommendedAction, StringComparison.Ordinal);
        Assert.Null(failure.LogPath);
        subject.AssertUnharmed();
    }

    [CriuFact("python3")]
    public void A_folder_above_that_everyone_may_write_to_is_refused_unless_it_is_sticky()
    {
        using Subject subject = Subject.Counting();
        File.SetUnixFileMode(subject.Folder.FullPath, (UnixFileMode)0x1ff);
        var request = new CheckpointRequest { ProcessId = subject.ProcessId, ImagePath = subject.Folder.At("new/folder/image"), NoSync = true };

        CracException failure = Expect.Failure(CracReason.ImageNotTrusted, () => PSCrac.Checkpointing.Checkpoint.Run(request));
        Assert.Contains($"chmod go-w {subject.Folder.FullPath}", failure.RecommendedAction, StringComparison.Ordinal);
        subject.AssertUnharmed();

        File.SetUnixFileMode(subject.Folder.FullPath, (UnixFileMode)0x3ff);
        PSCrac.Checkpointing.Checkpoint.Run(request);
        Assert.True(RestorePreflight.Examine(new RestoreRequest { Image = CracImage.Open(request.ImagePath) }).CanRestore);
    }

    [CriuTheory]
    [InlineData("opened to everyone")]
    [InlineData("given away")]
    [InlineData("replaced by a link")]
    [InlineData("replaced by a folder")]
    public void A_folder_above_that_is_changed_during_the_dump_is_noticed_before_the_process_is_killed(string change)
    {
        using Subject subject = Subject.Counting();
        string above = Directory.CreateDirectory(subject.Folder.At("above")).FullName;
        var request = new CheckpointRequest { ProcessId = subject.ProcessId, ImagePath = Path.Combine(above, "image"), NoSync = true };

        Expect.Failure(CracReason.ImageNotTrusted, () => PSCrac.Checkpointing.Checkpoint.Run(request, Expect.At(CracPhase.Sealing, () =>
        {
            switch (change)
            {
                case "opened to everyone":
                    File.SetUnixFileMode(above, (UnixFileMode)0x1ff);
                    break;
                case "given away":
                    Ownership.Give(above, Ownership.Stranger);
                    break;
                default:
                    Directory.Move(above, subject.Folder.At("moved"));
                    if (change.EndsWith("link", StringComparison.Ordinal))
                    {
                        Directory.CreateDirectory(subject.Folder.At("elsewhere"));
                        File.CreateSymbolicLink(above, "elsewhere");
                    }
                    else
                    {
                        Directory.CreateDirectory(above);
                    }

                    break;
            }
        })));

        Assert.Empty(Directory.GetFileSystemEntries(above));
        Assert.All(subject.Folder.Names(), name => Assert.Empty(Directory.GetFileSystemEntries(subject.Folder.At(name))));
        subject.AssertCountsPast(subject.Count + 3);
    }

    [CriuFact("python3")]
    public void A_process_that_goes_on_loses_nothing_so_it_is_a_warning()
    {
        using Subject subject = Subject.Counting();
        Ownership.Give(subject.Folder.FullPath, Ownership.Stranger);

        CheckpointResult made = subject.Checkpoint(new CheckpointOptions { LeaveRunning = true });

        Assert.Contains(made.Findings, static finding => finding is { Severity: CracFindingSeverity.Warning, Reason: CracReason.ImageNotTrusted });
        Assert.False(Subject.HasEnded(subject.ProcessId));
    }
}
