using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

public class RestoredTreeTests
{
    [Fact]
    public void The_processes_of_a_root_are_its_tree()
    {
        using TestProgram program = TestProgram.Shell("sleep 600 & echo ready; wait");
        program.WaitForLine("ready");

        Assert.Equal(ProcessTree.Read(program.ProcessId).ProcessIds, RestoredTree.Read(program.ProcessId).Select(static process => process.ProcessId));
    }

    // What is read is what is killed when the page daemon of a lazy restore ends.
    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    public void The_first_process_of_this_namespace_is_no_restored_root(int root) => Assert.Empty(RestoredTree.Read(root));
}
