using PSCrac.Images.Operations;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Model;

public class CracImageTests
{
    private const string Tree = "(sleep 1000 & sleep 1000 & : > $READY; wait) & wait";

    [CriuFact]
    public void The_tree_of_a_plain_criu_image_is_read()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(Tree);
        CracImage image = CracImage.Open(dumped.Path);

        Assert.Equal("image", image.Name);
        Assert.Equal(dumped.ProcessId, image.RootProcessId);
        Assert.Equal("bash", image.Command);
        Assert.Equal(4, image.ProcessCount);
        Assert.Equal(4, image.ThreadCount);
        Assert.Equal(image.ProcessIds, image.ThreadIds);
        Assert.Null(image.Manifest);
        Assert.Equal(CracEngine.Criu, image.Engine);
        Assert.StartsWith("4.", image.CriuVersion);
        Assert.InRange(image.Created, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddMinutes(1));
        Assert.Equal(image.Memory, image.Processes.Sum(p => p.Memory));
        Assert.Equal(image.Statistics!.PagesWritten * 4096, image.Memory);
        Assert.True(image.Size > image.Memory);
        Assert.True(image.Statistics.FrozenTime > TimeSpan.Zero);
        Assert.Empty(image.Options);
        Assert.False(image.IsOneShot);
        Assert.True(image.IsRestorable(out string? missing), missing);

        CracImageProcess root = image.Processes[0];
        Assert.Equal(0, root.ParentProcessId);
        Assert.Equal(root.ProcessId, root.SessionId);
        Assert.Equal(3, root.DescriptorCount);
        Assert.True(root.VirtualMemory > root.Memory);
        Assert.All(image.Processes, p => Assert.Equal(CracProcessState.Alive, p.State));
        Assert.Equal(["bash", "bash", "sleep", "sleep"], image.Processes.Select(p => p.Command));
    }

    [CriuFact("python3")]
    public void A_zombie_and_a_stopped_process_have_different_states()
    {
        using DumpedProcess dumped = DumpedProcess.Of(
            ["python3", "-c", "import os, time, signal\n"
                + "if os.fork() == 0: os._exit(3)\n"
                + "s = os.fork()\n"
                + "if s == 0: signal.pause()\n"
                + "os.kill(s, signal.SIGSTOP)\n"
                + "time.sleep(0.2)\n"
                + "open(os.environ['READY'], 'w').close()\n"
                + "time.sleep(1000)"]);
        CracImage image = CracImage.Open(dumped.Path);

        CracImageProcess zombie = image.Processes.Single(p => p.State is CracProcessState.Dead or CracProcessState.Zombie);
        Assert.Equal(3 << 8, zombie.ExitCode);
        Assert.Equal([zombie.ProcessId], zombie.ThreadIds);
        Assert.True(image.IsRestorable(out string? missing), missing);
        Assert.Equal(0, zombie.DescriptorCount);
        Assert.Equal(0, zombie.Memory);
        Assert.Equal(0, zombie.VirtualMemory);
        Assert.Single(image.Processes, p => p.State == CracProcessState.Stopped);
    }

    [CriuFact]
    public void An_image_with_cppath_is_of_a_JVM_and_its_log_has_the_version()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        File.WriteAllText(Path.Combine(dumped.Path, "cppath"), dumped.Path);
        File.Move(Path.Combine(dumped.Path, "dump.log"), Path.Combine(dumped.Path, "dump4.log"));
        CracImage image = CracImage.Open(dumped.Path);

        Assert.Equal(CracEngine.Jvm, image.Engine);
        Assert.StartsWith("4.", image.CriuVersion);
    }

    [CriuFact]
    public void A_missing_file_is_named_when_it_is_needed()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000; :");
        string core = $"core-{dumped.ProcessId}.img";
        File.Delete(Path.Combine(dumped.Path, core));
        CracImage image = CracImage.Open(dumped.Path);
        Assert.False(image.IsRestorable(out string? missing));
        Assert.Equal(core, missing);
        CracException failure = Assert.Throws<CracException>(() => image.Command);

        Assert.Equal(CracReason.ImageIncomplete, failure.Reason);
        Assert.Equal(core, failure.FileName);
    }

    [CriuFact]
    public void Missing_values_are_cached_and_failed_reads_are_not()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        string path = Path.Combine(dumped.Path, "stats-dump");
        byte[] statistics = File.ReadAllBytes(path);
        File.WriteAllBytes(path, statistics[..^3]);
        CracImage damaged = CracImage.Open(dumped.Path);
        Assert.Throws<CracException>(() => damaged.Statistics);
        CracException again = Assert.Throws<CracException>(() => damaged.Statistics);
        Assert.Equal((CracReason.ImageIncomplete, "stats-dump"), (again.Reason, again.FileName));

        File.Delete(path);
        CracImage without = CracImage.Open(dumped.Path);
        Assert.Null(without.Statistics);

        File.WriteAllBytes(path, statistics);
        Assert.NotNull(damaged.Statistics);
        Assert.Null(without.Statistics);
    }

    [CriuFact]
    public void A_dump_without_inventory_is_incomplete()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        File.Delete(Path.Combine(dumped.Path, "inventory.img"));
        Assert.Equal(CracReason.ImageIncomplete, Assert.Throws<CracException>(() => CracImage.Open(dumped.Path)).Reason);
    }

    [CriuFact]
    public void A_truncated_pstree_names_file_and_offset()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        string pstree = Path.Combine(dumped.Path, "pstree.img");
        File.WriteAllBytes(pstree, File.ReadAllBytes(pstree)[..^3]);
        CracException failure = Assert.Throws<CracException>(() => CracImage.Open(dumped.Path));

        Assert.Equal(CracReason.ImageIncomplete, failure.Reason);
        Assert.Equal("pstree.img", failure.FileName);
        Assert.NotNull(failure.FileOffset);
    }

    [CriuFact]
    public void A_file_with_a_damaged_magic_is_found_by_name_and_does_not_hide_others()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        File.WriteAllText(Path.Combine(dumped.Path, $"mm-{dumped.ProcessId}.img"), "xyz");
        var reader = new ImageContentReader(CracImage.Open(dumped.Path));
        Assert.NotEmpty(reader.Read("core", "reg-files", "files"));
        Assert.Equal($"mm-{dumped.ProcessId}.img", Assert.Throws<CracException>(() => reader.Read("mm").Count()).FileName);
        File.WriteAllText(Path.Combine(dumped.Path, "new-1.img"), "some magic nobody knows");
        Assert.Equal("UNKNOWN", reader.Read("new-*").Concat(new ImageContentReader(CracImage.Open(dumped.Path)).Read("new-*")).Single().FileType);
    }

    [CriuFact]
    public void A_cycle_of_parent_links_ends()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        Directory.CreateSymbolicLink(Path.Combine(dumped.Path, "parent"), ".");
        CracImage image = CracImage.Open(dumped.Path);
        Assert.NotEmpty(image.Environment);
        Assert.Empty(ImageCheck.Run(image));
    }

    [Fact]
    public void A_path_without_an_image_is_NotAnImage()
    {
        string folder = Directory.CreateTempSubdirectory("pscrac-none-").FullName;
        try
        {
            Assert.Equal(CracReason.NotAnImage, Assert.Throws<CracException>(() => CracImage.Open(folder)).Reason);
            Assert.Equal(CracReason.NotAnImage, Assert.Throws<CracException>(() => CracImage.Open(folder + "/none")).Reason);
            Assert.False(CracImage.IsImageDirectory(folder));
        }
        finally
        {
            Directory.Delete(folder);
        }
    }
}
