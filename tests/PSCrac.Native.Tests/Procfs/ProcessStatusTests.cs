using System.Text;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Procfs;

public class ProcessStatusTests
{
    [Fact]
    public void The_own_status_agrees_with_dotnet()
    {
        ProcessStatus status = ProcessStatus.TryRead(Environment.ProcessId)!;

        Assert.Equal(Environment.ProcessId, status.ProcessId);
        Assert.Equal(Environment.ProcessId, status.NamespaceProcessIds[0]);
        Assert.InRange(status.ResidentBytes, 10_000_000, 4_000_000_000);
        Assert.InRange(status.AnonymousBytes, 1_000_000, status.ResidentBytes);
        Assert.True(status.ThreadCount > 1);
        Assert.False(status.IsKernelThread);
        Assert.Equal(0, status.TracerProcessId);
        Assert.True(status.UserId >= 0);
    }

    [ProgramTheory("python3")]
    [InlineData("a) S 9 (b")]
    [InlineData(") (")]
    [InlineData("))))")]
    [InlineData("new\\nline")]
    public void Names_with_spaces_and_parentheses_do_not_shift_the_fields(string name)
    {
        using var program = TestProgram.Start("python3", ["-c", $$"""
            import time
            open("/proc/self/comm", "w").write("{{name}}")
            print("ready", flush=True)
            time.sleep(600)
            """]);
        program.WaitForLine("ready");

        ProcessStatus status = ProcessStatus.TryRead(program.ProcessId)!;

        Assert.Equal(name.Replace("\\n", "\n", StringComparison.Ordinal), status.CommandName);
        Assert.Equal(Environment.ProcessId, status.ParentProcessId);
        Assert.Equal(program.ProcessId, status.SessionId);
        Assert.True(status.IsSessionLeader);
        Assert.Equal(0, status.TerminalDevice);
        Assert.Equal(1, status.ThreadCount);
    }

    [Theory]
    [InlineData("")]
    [InlineData("12")]
    [InlineData("12 (abc")]
    [InlineData(")12(")]
    [InlineData("12 (abc)")]
    public void An_invalid_stat_line_gives_null(string text) =>
        Assert.Null(ProcessStatus.ParseStat(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void The_state_letter_becomes_the_state()
    {
        using var program = TestProgram.Shell("echo ready; kill -STOP $$; exec sleep 600");
        program.WaitForLine("ready");

        Wait.Until(
            () => ProcessStatus.TryRead(program.ProcessId)?.State == ProcessState.Stopped,
            () => $"state is {ProcessStatus.TryRead(program.ProcessId)?.State}");
    }

    [Fact]
    public void An_identity_ends_with_its_process()
    {
        ProcessIdentity identity;
        using (var program = TestProgram.Shell("exec sleep 600"))
        {
            identity = ProcessIdentity.TryRead(program.ProcessId)!.Value;
            Assert.True(identity.HoldsItsPid());
            Assert.True(identity.IsRunning());
            Assert.False(new ProcessIdentity(identity.ProcessId, identity.StartTimeTicks + 1).HoldsItsPid());
        }

        Assert.False(identity.HoldsItsPid());
        Assert.False(identity.IsRunning());
    }

    [Fact]
    public void A_command_line_is_read_with_its_links()
    {
        using var program = TestProgram.Start("sleep", ["600"]);
        Wait.Until(
            () => ProcessCommandLine.Read(program.ProcessId).Arguments is ["sleep", "600"],
            () => ProcessCommandLine.Read(program.ProcessId).Display);

        ProcessCommandLine command = ProcessCommandLine.Read(program.ProcessId);
        Assert.Equal("sleep 600", command.Display);
        Assert.Equal(program.Folder, command.WorkingDirectory);
        Assert.EndsWith("/sleep", command.ExecutablePath!, StringComparison.Ordinal);
    }

    [Fact]
    public void An_empty_argument_is_kept() =>
        Assert.Equal(["a", "", "b"], ProcessCommandLine.SplitAtNul("a\0\0b\0"u8));
}
