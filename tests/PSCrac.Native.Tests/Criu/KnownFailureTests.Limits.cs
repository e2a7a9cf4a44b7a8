using PSCrac.Interop;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>A criu whose limits are low.</summary>
public partial class KnownFailureTests
{
    [CriuFact("python3")]
    [Reaches("file size limit")]
    public void A_limit_of_file_sizes()
    {
        using var run = new CriuRun("big = bytearray(b'x') * (8 << 20)");
        using var image = new TemporaryFolder();

        AssertReached("file size limit", CriuRun.Dump(run.ProcessId, image.FullPath, new(), static worker => LibC.SetSoftLimit(worker, LibC.RLIMIT_FSIZE, 1 << 20)));
    }

    [CriuFact("python3")]
    [Reaches("open files limit")]
    public void A_limit_of_descriptors()
    {
        using var run = new CriuRun("");
        using var image = new TemporaryFolder();

        AssertReached("open files limit", CriuRun.Dump(run.ProcessId, image.FullPath, new(), static worker => LibC.SetSoftLimit(worker, LibC.RLIMIT_NOFILE, 24)));
    }

    [CriuFact("python3", "/sys/fs/cgroup/pids/cgroup.procs")]
    [Reaches("process limit")]
    public void A_limit_of_processes()
    {
        string cgroup = $"/sys/fs/cgroup/pids/pscrac-test-{Environment.ProcessId}";
        using var run = new CriuRun("");
        Assert.Null(run.Dump());
        Directory.CreateDirectory(cgroup);
        try
        {
            AssertReached("process limit", run.Restore(limit: worker =>
            {
                File.WriteAllText(Path.Combine(cgroup, "cgroup.procs"), $"{worker}");
                File.WriteAllText(Path.Combine(cgroup, "pids.max"), "1");
            }));
        }
        finally
        {
            Directory.Delete(cgroup);
        }
    }
}
