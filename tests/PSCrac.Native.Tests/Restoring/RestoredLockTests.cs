using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>A restore names the locks of the image that the tree does not have.</summary>
public class RestoredLockTests
{
    private const string Prelude = """
        import fcntl, mmap, os, time
        f = os.open("data", os.O_RDWR | os.O_CREAT)
        os.write(f, bytes(4096))

        """;

    private const string End = "\nprint('ready', flush=True)\ntime.sleep(600)\n";

    [CriuTheory("python3")]
    [InlineData("fcntl.lockf(f, fcntl.LOCK_EX, 10, 100); a = mmap.mmap(f, 4096)", "record lock")]
    [InlineData("fcntl.lockf(f, fcntl.LOCK_SH); a = mmap.mmap(f, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ); fcntl.flock(f, fcntl.LOCK_EX)", "record lock")]
    public void A_lock_that_is_lost_is_a_warning(string locks, string name)
    {
        using Subject subject = Subject.Python(Prelude + locks + End, "ready");

        CheckpointResult checkpoint = subject.Checkpoint(new CheckpointOptions { FileLocks = true });
        using CracRestoredProcess restored = subject.Restore();

        Assert.Contains(checkpoint.Findings, static finding => finding is { Severity: CracFindingSeverity.Warning, Reason: CracReason.FileLocksHeld });
        string warning = Assert.Single(restored.Warnings);
        Assert.Contains(name, warning, StringComparison.Ordinal);
        Assert.Contains("/data", warning, StringComparison.Ordinal);
    }

    [CriuFact("python3")]
    public void Locks_that_are_there_again_are_not_named()
    {
        using Subject subject = Subject.Python(
            Prelude + """
            g = os.open("other", os.O_RDWR | os.O_CREAT)
            fcntl.lockf(f, fcntl.LOCK_EX, 10, 100)
            fcntl.lockf(f, fcntl.LOCK_SH, 0, 1000)
            fcntl.flock(f, fcntl.LOCK_EX)
            fcntl.fcntl(g, 37, __import__("struct").pack("hhqqi", fcntl.F_WRLCK, 0, 5, 7, 0))
            """ + End,
            "ready");
        subject.Checkpoint();
        Assert.True(File.Exists(Path.Combine(subject.ImagePath, "filelocks.img")));

        using CracRestoredProcess restored = subject.Restore();

        Assert.Empty(restored.Warnings);
    }
}
