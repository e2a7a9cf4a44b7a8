using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Processes;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>Sessions with low limits, and folders that are full: each is its own reason.</summary>
[Collection(AloneCollection.Name)]
public sealed class LimitTests : IDisposable
{
    private readonly string? _root = Environment.GetEnvironmentVariable(CriuWorkDirectory.LogRootVariable);

    public void Dispose() => Environment.SetEnvironmentVariable(CriuWorkDirectory.LogRootVariable, _root);

    [CriuTheory]
    [InlineData("checkpoint")]
    [InlineData("restore")]
    [InlineData("restore", "Lazy")]
    [InlineData("restore", "New")]
    public void Few_descriptors_are_told_as_that(string operation, params string[] how)
    {
        using Subject subject = Subject.Counting();
        if (operation == "restore")
        {
            subject.Checkpoint();
        }

        string[] arguments = operation == "restore" ? [operation, subject.ImagePath, .. how] : [operation, $"{subject.ProcessId}", subject.ImagePath];
        (int exitCode, string output, string error) = Helper.RunCommand(
            new Dictionary<string, string?>(), ["sh", "-c", "ulimit -n 150; exec \"$@\"", "sh", .. Helper.Command(arguments)]);

        Assert.True(exitCode == 1, error);
        Assert.Contains("failed LimitTooLow", output);
        Assert.Contains("only 150 file descriptors (ulimit -n)", output);
        Assert.Contains("ulimit -n 4096", output);
        if (operation == "restore")
        {
            using CracRestoredProcess restored = subject.Restore();
        }

        subject.AssertCountsPast(subject.Count + 3);
    }

    // What is kept there (records of processes, criu's cache) is worth less than the operation.
    [CriuTheory("unshare")]
    [InlineData("mount -t tmpfs -o ro,mode=700 none /var/lib/pscrac")]
    [InlineData("mount -t tmpfs -o size=4k,mode=700 none /var/lib/pscrac && ! head -c 99999 /dev/zero 2>/dev/null >/var/lib/pscrac/filler")]
    [InlineData("umount -l /dev/shm")]
    public void A_folder_of_the_system_that_is_full_or_missing_does_not_stop_an_operation(string change)
    {
        Directory.CreateDirectory("/var/lib/pscrac");
        using Subject subject = Subject.Counting();

        (int exitCode, string output, string error) = InMounts(change, "checkpoint", $"{subject.ProcessId}", subject.ImagePath);
        Assert.True(exitCode == 0, output + error);
        Task<(int ExitCode, string Output, string Error)> restoring = Task.Run(() => InMounts(change, "restore", subject.ImagePath));
        Wait.Until(() => !Subject.HasEnded(subject.ProcessId) || restoring.IsCompleted, () => "it is not restored");
        subject.AssertCountsPast(subject.Count + 3);
        subject.End();

        Assert.Equal(0, restoring.Result.ExitCode);
    }

    private static (int ExitCode, string Output, string Error) InMounts(string change, params string[] arguments) => Helper.RunCommand(
        new Dictionary<string, string?>(), ["unshare", "--mount", "sh", "-c", $"{change} && exec \"$@\"", "sh", .. Helper.Command(arguments)]);

    [Theory]
    [InlineData(12, "memory", "--memory")]
    [InlineData(11, "no further process", "pids.max")]
    [InlineData(24, "ulimit -n", "LimitNOFILE=")]
    [InlineData(23, "whole machine", "fs.file-max")]
    public void Each_limit_is_named_with_what_raises_it(int errno, string why, string recommendedAction)
    {
        CracException failure = LimitFailure.Explain("It could not be started", (Errno)errno)!;

        Assert.Equal(CracReason.LimitTooLow, failure.Reason);
        Assert.StartsWith("It could not be started: ", failure.Message);
        Assert.Contains(why, failure.Message);
        Assert.Contains(recommendedAction, failure.RecommendedAction);
        Assert.Null(LimitFailure.Explain("It could not be started", Errno.ENOENT));
    }

    [CriuFact("python3")]
    public void A_file_that_is_larger_than_a_session_may_write_is_told_as_that()
    {
        using Subject subject = Subject.Python($"big = bytearray(b'x') * (8 << 20)\n{Subject.Counter}");

        CracException failure = Expect.Failure(
            CracReason.LimitTooLow,
            () => subject.Checkpoint(progress: Expect.At(CracPhase.Preparing, static () => LibC.SetSoftLimit(Workers.Await()[0], LibC.RLIMIT_FSIZE, 1 << 20))));

        Assert.Contains("ulimit -f", failure.Message);
        subject.AssertUnharmed();
    }

    [CriuTheory]
    [InlineData("size=64k", true)]
    [InlineData("nr_inodes=3", true)]
    [InlineData("ro", false)]
    public void A_log_folder_that_is_full_or_read_only_is_told_as_that(string mount, bool isFull)
    {
        using Subject subject = Subject.Counting();
        CheckpointResult checkpoint = subject.Checkpoint(new() { LeaveRunning = true });
        using var disk = new SmallDisk(mount);
        Environment.SetEnvironmentVariable(CriuWorkDirectory.LogRootVariable, disk.At("."));
        if (mount.StartsWith("size", StringComparison.Ordinal))
        {
            disk.Fill();
        }
        else if (isFull)
        {
            disk.FillNames();
        }

        Action[] operations =
        [
            () => Checkpoint.Run(new CheckpointRequest
            {
                ProcessId = subject.ProcessId,
                ImagePath = subject.Folder.At("second"),
                Options = new() { CriuOption = new Dictionary<string, object?> { ["ghost-fiemap"] = true } },
            }),
            () => CriuWorkDirectory.Create("test", "tcp-close\n"),
        ];
        foreach (Action operation in operations)
        {
            CracException failure = Expect.Failure(CracReason.LogFolderUnusable, operation);

            Assert.Contains("where criu's logs are kept", failure.Message);
            Assert.Contains(isFull ? "Remove old logs" : "Name a folder", failure.RecommendedAction);
        }

        Assert.Equal(["image"], subject.Folder.Names());
        subject.AssertCountsPast(subject.Count + 3);
    }
}
