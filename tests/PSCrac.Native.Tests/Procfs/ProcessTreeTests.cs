using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Procfs;

public class ProcessTreeTests
{
    [Fact]
    public void A_three_level_tree_is_read_parents_first()
    {
        using var program = TestProgram.Shell("sh -c 'sleep 600 & sleep 601 & echo ready; wait' & wait");
        program.WaitForLine("ready");

        ProcessTree tree = ProcessTree.Read(program.ProcessId);

        Assert.Equal(4, tree.Members.Count);
        Assert.Equal(program.ProcessId, tree.Root.ProcessId);
        var known = new HashSet<int> { program.ProcessId };
        foreach (ProcessTreeMember member in tree.Members.Skip(1))
        {
            Assert.Contains(member.Status.ParentProcessId, known);
            known.Add(member.ProcessId);
        }

        Assert.True(tree.ResidentBytes > tree.AnonymousBytes);
        Assert.True(tree.AnonymousBytes > 0);
        Assert.True(tree.Contains(tree.ProcessIds[^1]));
        Assert.False(tree.Contains(Environment.ProcessId));
    }

    [Fact]
    public void The_first_thread_is_listed_first()
    {
        ProcessTree tree = ProcessTree.Read(Environment.ProcessId);

        Assert.Equal(Environment.ProcessId, tree.Root.ThreadIds[0]);
        Assert.True(tree.Root.ThreadIds.Count > 1);
        Assert.Equal(tree.Root.ThreadIds.Count, tree.Root.ThreadIds.Distinct().Count());
    }

    [ProgramFact("python3")]
    public void Children_of_a_thread_that_is_not_the_first_are_found()
    {
        using var program = TestProgram.Start("python3", ["-c", """
            import subprocess, threading, time
            def child():
                subprocess.Popen(["sleep", "600"])
                print("ready", flush=True)
                time.sleep(600)
            threading.Thread(target=child).start()
            """]);
        program.WaitForLine("ready");

        ProcessTree tree = ProcessTree.Read(program.ProcessId);

        Assert.Equal(["python3", "sleep"], tree.Members.Select(member => member.Status.CommandName));
    }

    [Fact]
    public void A_zombie_is_a_member_and_has_ended()
    {
        using var program = TestProgram.Shell("sleep 0 & exec sleep 600");
        Wait.Until(
            () => ProcessTree.Read(program.ProcessId).Members is [_, { Status.State: ProcessState.Zombie }],
            () => "no zombie appeared");

        ProcessTreeMember zombie = ProcessTree.Read(program.ProcessId).Members[1];
        Assert.True(zombie.Status.HasEnded);
        Assert.True(zombie.Status.Identity.HoldsItsPid());
        Assert.False(zombie.Status.Identity.IsRunning());
        Assert.Empty(ProcessCommandLine.Read(zombie.ProcessId).Arguments);
        Assert.Equal("[sleep]", ProcessCommandLine.Read(zombie.ProcessId).Display);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    [InlineData(int.MaxValue)]
    public void An_unused_pid_is_an_error_with_a_recommended_action(int processId)
    {
        var error = Assert.Throws<CracException>(() => ProcessTree.Read(processId));
        Assert.Equal(CracReason.ProcessNotFound, error.Reason);
        Assert.Equal(processId, error.ProcessId);
        Assert.NotNull(error.RecommendedAction);
        Assert.Throws<CracException>(() => ProcessCommandLine.Read(processId));
        Assert.Null(ProcessStatus.TryRead(processId));
        Assert.Null(ProcessIdentity.TryRead(processId));
    }

    [Fact]
    public void Changing_trees_are_read_without_failure()
    {
        using var program = TestProgram.Shell("echo ready; while :; do for i in 1 2 3 4; do sleep 0 & done; wait; done");
        program.WaitForLine("ready");

        for (int i = 0; i < 300; i++)
        {
            ProcessTree tree = ProcessTree.Read(program.ProcessId);
            Assert.Equal(tree.ProcessIds.Count, tree.ProcessIds.Distinct().Count());
        }
    }
}
