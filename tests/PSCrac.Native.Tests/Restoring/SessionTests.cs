using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

/// <summary>A daemon without a terminal whose session began outside the tree does not get the session and the terminal of its restore.</summary>
public class SessionTests
{
    [CriuFact("python3", "script")]
    public void A_daemon_that_is_restored_from_a_terminal_has_none()
    {
        using Subject subject = Daemon(out int daemon);
        subject.CheckpointOther(daemon, new CheckpointOptions { ShellJob = true });
        int last = subject.Count;

        TestProgram terminal = TestProgram.Start("script", ["--quiet", "--flush", "--command", string.Join(' ', Helper.Command("restore", subject.ImagePath)), "typescript"]);
        Wait.Until(
            () => File.Exists(terminal.OutputPath) && File.ReadAllText(terminal.OutputPath).Contains($"restored {daemon}", StringComparison.Ordinal),
            () => $"it is not restored: {File.ReadAllText(terminal.OutputPath)}");

        string device = ReadTerminal(daemon);
        terminal.Dispose();
        Assert.Equal("0", device);
        int then = subject.Count;
        Assert.True(then >= last);
        Wait.Until(() => subject.Count > then + 3, () => "it ended with the terminal");
        CriuProgram.Kill("-KILL", $"{daemon}");
    }

    [CriuTheory("python3")]
    [InlineData(CracPidNamespace.Host)]
    [InlineData(CracPidNamespace.New)]
    public void A_daemon_gets_a_session_of_its_own(CracPidNamespace place)
    {
        using Subject subject = Daemon(out int daemon);
        subject.CheckpointOther(daemon, new CheckpointOptions { ShellJob = true });
        int last = subject.Count;

        using CracRestoredProcess restored = Restore.Run(new() { Image = CracImage.Open(subject.ImagePath), PidNamespace = place, PidTimeout = Wait.Limit });
        Wait.Until(() => subject.Count > last + 3, () => "it does not go on");

        Assert.NotEqual(ProcessStatus.TryRead(Environment.ProcessId)!.SessionId, ProcessStatus.TryRead(restored.Id)!.SessionId);
        CriuProgram.Kill("-KILL", $"{restored.NamespaceInitId ?? restored.Id}");
        restored.WaitForExit(Wait.Limit);
    }

    // The shell leads the session, and stays.
    private static Subject Daemon(out int id)
    {
        Subject subject = Subject.Of(["sh", "-c", "python3 -c \"$COUNTER\" & wait; exec sleep 600"], "1", ("COUNTER", Subject.Counter));
        id = ProcessTree.Read(subject.ProcessId).Members.Single(static member => member.Status.CommandName.StartsWith("python3", StringComparison.Ordinal)).ProcessId;
        return subject;
    }

    // The seventh field of stat is the device of the terminal (proc(5)).
    private static string ReadTerminal(int id) => File.ReadAllText($"/proc/{id}/stat").Split(") ")[^1].Split(' ')[4];
}
