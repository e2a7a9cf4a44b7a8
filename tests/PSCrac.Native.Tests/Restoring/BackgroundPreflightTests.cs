using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Restoring;

public class BackgroundPreflightTests
{
    private static readonly CracFinding Finding = new()
    {
        Severity = CracFindingSeverity.Warning,
        What = "it",
        Reason = CracReason.FileChanged,
        Why = "because",
        RecommendedAction = "do",
    };

    [Fact]
    public void A_pid_that_criu_s_own_child_had_is_asked_for_once_more()
    {
        int looks = 0;
        using var look = BackgroundPreflight.Start(() => ++looks == 1 ? throw new CracException(CracReason.PidInUse, "taken", "Wait.") : [Finding]);
        Assert.Equal("taken", look.Blocker?.Message);

        look.RequireWhileCriuWaits();

        Assert.Equal(2, looks);
        Assert.Null(look.Blocker);
        Assert.Equal([Finding], look.Findings);
    }

    [Fact]
    public void A_pid_that_stays_taken_is_told()
    {
        using var look = BackgroundPreflight.Start(static () => throw new CracException(CracReason.PidInUse, "taken", "Wait."));

        Assert.Equal("taken", Expect.Failure(CracReason.PidInUse, look.RequireWhileCriuWaits).Message);
        Assert.NotNull(look.Blocker);
    }

    [Fact]
    public void What_else_stands_in_the_way_is_told_without_a_second_look()
    {
        int looks = 0;
        using var look = BackgroundPreflight.Start(() =>
        {
            looks++;
            throw new CracException(CracReason.FileMissing, "gone", "Put it back.");
        });

        Expect.Failure(CracReason.FileMissing, look.RequireWhileCriuWaits);

        Assert.Equal(1, looks);
    }
}
