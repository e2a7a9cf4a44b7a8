using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Checkpointing;

/// <summary>A job of a shell on a terminal: what people try first.</summary>
public class TerminalTests
{
    [CriuFact("python3", "script")]
    public void A_job_on_a_terminal_goes_on_on_another_terminal()
    {
        // script makes a terminal and a shell that leads its session; the counter is the shell's child.
        using Subject first = Subject.Of(["script", "--quiet", "--flush", "--command", "python3 -c \"$COUNTER\"; true", "typescript"], "1",
            ("COUNTER", Subject.Counter));
        ProcessTree tree = ProcessTree.Read(first.ProcessId);
        int counter = tree.Members.Single(static member => member.Status.CommandName.StartsWith("python3", StringComparison.Ordinal)).ProcessId;

        CracException refused = Expect.Failure(
            CracReason.TerminalAttached, () => first.CheckpointOther(counter, new CheckpointOptions { ShellJob = false }));
        Assert.Contains("-ShellJob", refused.RecommendedAction);
        first.CheckpointOther(counter, new CheckpointOptions { ShellJob = true });
        Wait.Until(() => Subject.HasEnded(first.ProcessId), () => "the terminal's shell goes on without its job");
        int last = first.Count;

        // Another terminal, whose foreground job is the restore: the restored program gets it for its own.
        using var second = TestProgram.Start("script", ["--quiet", "--flush", "--command", string.Join(' ', Helper.Command("restore", first.ImagePath)), "typescript"]);
        string line = second.WaitForLine($"{last + 3}");

        Assert.Equal($"{last + 3}", line.Trim());

        // The helper says so only now, in the middle of the counter's lines.
        Wait.Until(() => File.ReadAllText(second.OutputPath).Contains($"restored {counter}", StringComparison.Ordinal), () => "the restore did not end");
        CriuProgram.Kill("-KILL", $"{counter}");
    }
}
