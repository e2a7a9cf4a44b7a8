using PSCrac.Checkpointing;
using PSCrac.Criu;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Checkpointing;

public class RoundTripTests
{
    [CriuFact]
    public void A_shell_loop_goes_on_counting()
    {
        // read waits on a pipe that the loop holds itself, so that no sleep has to be started for each number.
        using Subject subject = Subject.Of(["bash", "-c", "exec 9<> <(:); n=0; while :; do n=$((n+1)); echo $n; read -t 0.02 -u 9; done"], "1");

        AssertGoesOn(subject);
    }

    [CriuFact]
    public void A_python_program_goes_on_counting()
    {
        using Subject subject = Subject.Counting();

        AssertGoesOn(subject);
    }

    [CriuFact]
    public void A_dotnet_program_goes_on_counting()
    {
        using Subject subject = Subject.Of(Helper.Command("count"), "1");

        AssertGoesOn(subject);
    }

    private static void AssertGoesOn(Subject subject)
    {
        CheckpointResult result = subject.Checkpoint();
        Assert.True(Subject.HasEnded(subject.ProcessId));
        Assert.Empty(result.LingeringProcessIds);
        int last = subject.Count;

        using CracRestoredProcess restored = subject.Restore();

        Assert.Equal(subject.ProcessId, restored.Id);
        subject.AssertCountsPast(last + 3);
    }
}
