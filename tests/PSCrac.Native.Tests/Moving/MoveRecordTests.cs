using PSCrac.Moving;
using PSCrac.Procfs;
using Xunit;

namespace PSCrac.Tests.Moving;

/// <summary>Whether the far side resumes is decided once, whoever comes first.</summary>
public sealed class MoveRecordTests : IDisposable
{
    private readonly string _moveId = Guid.NewGuid().ToString("N");

    public void Dispose() => MoveRecords.Remove(_moveId);

    [Fact]
    public void A_receiver_whose_GO_comes_after_the_move_was_settled_may_not_resume()
    {
        Write(MoveFarState.Ready);

        Assert.Equal(MoveOutcome.NotResumed, MoveRecords.Settle(_moveId).Outcome);

        Assert.False(MoveRecords.TryDecide(_moveId, resumes: true));
        Assert.Equal(MoveOutcome.NotResumed, MoveRecords.Settle(_moveId).Outcome);
    }

    [Fact]
    public void A_move_that_was_resumed_stays_so()
    {
        Write(MoveFarState.Ready);
        Assert.True(MoveRecords.TryDecide(_moveId, resumes: true));
        Write(MoveFarState.Resumed, new MoveResumed { ProcessId = 4711, ImagePath = "/image" });

        MoveSettlement settled = MoveRecords.Settle(_moveId);

        Assert.Equal(MoveOutcome.Resumed, settled.Outcome);
        Assert.Equal(4711, settled.Resumed?.ProcessId);
        Assert.False(MoveRecords.TryDecide(_moveId, resumes: false));
    }

    [Fact]
    public void A_receiver_that_failed_after_GO_and_before_anything_ran_says_so()
    {
        Write(MoveFarState.Ready);
        Assert.True(MoveRecords.TryDecide(_moveId, resumes: true));
        Write(MoveFarState.NotResumed);

        Assert.Equal(MoveOutcome.NotResumed, MoveRecords.Settle(_moveId).Outcome);
    }

    [Fact]
    public void What_followed_GO_is_unknown_where_the_receiver_was_killed()
    {
        Write(MoveFarState.Ready);
        Assert.True(MoveRecords.TryDecide(_moveId, resumes: true));

        Assert.Equal(MoveOutcome.Unknown, MoveRecords.Settle(_moveId).Outcome);
    }

    [Fact]
    public void A_process_whose_receiver_was_killed_after_GO_is_told_once()
    {
        const int NoProcess = 1 << 22;
        WriteBy(Environment.ProcessId, ProcessIdentity.TryRead(Environment.ProcessId)!.Value.StartTimeTicks);
        Assert.True(MoveRecords.TryDecide(_moveId, resumes: true));
        Assert.Empty(MoveRecords.TakeLost());

        WriteBy(NoProcess, 1);
        Assert.Equal("program", Assert.Single(MoveRecords.TakeLost()).Command);

        Assert.Empty(MoveRecords.TakeLost());
        Assert.Equal(MoveOutcome.Unknown, MoveRecords.Settle(_moveId).Outcome);
    }

    [Fact]
    public void A_process_whose_receiver_was_killed_before_GO_is_not_told_of_and_will_not_run()
    {
        WriteBy(1 << 22, 1);

        Assert.Empty(MoveRecords.TakeLost());
        Assert.Equal(MoveOutcome.NotResumed, MoveRecords.Settle(_moveId).Outcome);
    }

    [Theory]
    [InlineData("00000000000000000000000000000000")]
    [InlineData("../running/1")]
    [InlineData("")]
    public void A_move_that_nobody_knows_is_unknown(string moveId) => Assert.Equal(MoveOutcome.Unknown, MoveRecords.Settle(moveId).Outcome);

    private void WriteBy(int sessionId, ulong startTime) => MoveRecords.Write(
        _moveId,
        new MoveFarRecord { State = MoveFarState.Ready, Command = "program", Since = DateTimeOffset.UtcNow, SessionId = sessionId, SessionStartTimeTicks = startTime });

    private void Write(MoveFarState state, MoveResumed? resumed = null) =>
        MoveRecords.Write(_moveId, new MoveFarRecord { State = state, Command = "program", Since = DateTimeOffset.UtcNow, Resumed = resumed });
}
