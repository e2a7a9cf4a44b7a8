using PSCrac.Images.Manifest;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>Attributes that criu does not keep are those of the tree again when it runs.</summary>
public class ThreadAttributeTests
{
    private const string Set = """
        import ctypes, os, sys, threading, time
        libc = ctypes.CDLL(None, use_errno=True)
        def attributes(affinity, level, slack):
            os.sched_setaffinity(0, affinity)
            libc.syscall(251 if os.uname().machine == "x86_64" else 30, 1, 0, 2 << 13 | level)
            libc.prctl(29, slack, 0, 0, 0)
        def thread():
            attributes({1 % os.cpu_count()}, 6, 200000)
            os.write(1, b"ready %d\n" % threading.get_native_id())
            time.sleep(600)
        attributes({0}, 5, 100000)
        open("/proc/self/coredump_filter", "w").write("0x7f")
        open("/proc/self/oom_score_adj", "w").write("300")
        os.nice(1)
        if os.fork() == 0:
            thread()
        threading.Thread(target=thread).start()
        time.sleep(600)
        """;

    [CriuFact("python3")]
    public void A_tree_runs_with_the_attributes_of_each_of_its_threads()
    {
        using Subject subject = Subject.Python(Set, "ready");
        WaitForBoth(subject);
        ProcessTree tree = ProcessTree.Read(subject.ProcessId);
        Dictionary<int, ImageManifestThread> before = Read(tree);
        Assert.Equal(3, before.Count);
        Assert.Equal("0", before[subject.ProcessId].CpuAffinity);
        Assert.Equal(0x7fu, before[subject.ProcessId].CoredumpFilter);
        Assert.All(before.Values, static each => Assert.True(each is { IoPriority: not null, TimerSlack: not null, Nice: 1 }, $"{each}"));

        subject.Checkpoint();
        using CracRestoredProcess restored = subject.Restore();

        Assert.Empty(restored.Warnings);
        Assert.Equal(before, Read(ProcessTree.Read(restored.Id)));
    }

    [CriuFact("python3")]
    public void In_a_pid_namespace_of_its_own_too()
    {
        using Subject subject = Subject.Python(Set, "ready");
        WaitForBoth(subject);
        ImageManifestThread before = ThreadAttributes.Read(subject.ProcessId, id: 0, isMain: true);
        subject.Checkpoint();

        using CracRestoredProcess restored = PSCrac.Restoring.Restore.Run(
            new() { Image = CracImage.Open(subject.ImagePath), PidNamespace = CracPidNamespace.New });

        Assert.Empty(restored.Warnings);
        Assert.Equal(before, ThreadAttributes.Read(restored.Id, id: 0, isMain: true));
    }

    [CriuFact("python3")]
    public void What_cannot_be_set_is_a_warning_that_names_it()
    {
        using Subject subject = Subject.Python("""
            import os, time
            os.sched_setaffinity(0, {0})
            print("ready", flush=True)
            time.sleep(600)
            """, "ready");
        subject.Checkpoint();
        string manifest = Path.Combine(subject.ImagePath, "pscrac.json");
        File.WriteAllText(manifest, File.ReadAllText(manifest).Replace("\"cpuAffinity\": \"0\"", "\"cpuAffinity\": \"1023\"", StringComparison.Ordinal));

        using CracRestoredProcess restored = subject.Restore();

        string warning = Assert.Single(restored.Warnings);
        Assert.Contains($"Thread {subject.ProcessId} ", warning, StringComparison.Ordinal);
        Assert.Contains("CPU affinity", warning, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("0-3,8")]
    [InlineData("7-8,63,1000-1023")]
    public void A_list_of_cpus_is_read_as_it_is_written(string list)
    {
        byte[] mask = new byte[128];
        Assert.True(CpuList.TryParse(list, mask));
        Assert.Equal(list, CpuList.Format(mask));
    }

    [Theory]
    [InlineData("")]
    [InlineData("3-1")]
    [InlineData("0,")]
    [InlineData("-1")]
    [InlineData("1024")]
    [InlineData("0-99999999999")]
    public void What_is_no_list_of_cpus_is_none(string list) => Assert.False(CpuList.TryParse(list, new byte[128]));

    private static void WaitForBoth(Subject subject) => Wait.Until(
        () => subject.CountLinesThatStart("ready") == 2,
        () => $"a thread is not ready: {File.ReadAllText(subject.Program.OutputPath)}{subject.Program.ReadErrors()}{Stacks(subject.ProcessId)}");

    private static string Stacks(int root) => string.Concat(ProcessTree.Read(root).ThreadIds.Select(
        static id => $"\n{id} {File.ReadAllText($"/proc/{id}/stat")} {File.ReadAllText($"/proc/{id}/syscall")} {File.ReadAllText($"/proc/{id}/wchan")}"));

    private static Dictionary<int, ImageManifestThread> Read(ProcessTree tree) => tree.Members
        .SelectMany(static member => member.ThreadIds.Select(id => (id, ThreadAttributes.Read(id, id, id == member.ProcessId))))
        .ToDictionary(static each => each.id, static each => each.Item2);
}
