using PSCrac.Processes;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Processes;

/// <summary>Files with the names and words of both versions of cgroups; that of version 1 is also tried with a cgroup, in WorkerDeathTests.</summary>
public class FrozenCgroupTests
{
    [Theory]
    [InlineData("cgroup.freeze", "0", "1", "0")]
    [InlineData("cgroup.freeze", "1", "1", "1")]
    [InlineData("freezer.state", "THAWED", "FROZEN", "THAWED")]
    [InlineData("freezer.state", "FROZEN", "FROZEN", "FROZEN")]
    public void What_was_not_frozen_before_is_thawed(string file, string before, string left, string after)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At(file), before + "\n");
        FrozenCgroup cgroup = FrozenCgroup.Read(folder.FullPath);
        File.WriteAllText(folder.At(file), left + "\n");

        cgroup.Thaw();

        Assert.Equal(after, File.ReadAllText(folder.At(file)).Trim());
        Assert.Equal([file], folder.Names());
    }

    [Fact]
    public void One_that_is_gone_or_was_not_named_is_left_alone()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.At("cgroup.freeze"), "0\n");
        FrozenCgroup cgroup = FrozenCgroup.Read(folder.FullPath);
        File.Delete(folder.At("cgroup.freeze"));
        Directory.CreateDirectory(folder.At("cgroup.freeze"));

        cgroup.Thaw();
        FrozenCgroup.Read(null).Thaw();
        FrozenCgroup.Read(folder.At("nowhere")).Thaw();

        Assert.Equal(["cgroup.freeze"], folder.Names());
    }
}
