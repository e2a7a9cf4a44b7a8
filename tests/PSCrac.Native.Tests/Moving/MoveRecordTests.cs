using PSCrac.Moving;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
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
    [InlineData(false)]
    [InlineData(true)]
    public void A_tree_whose_processes_are_all_here_is_not_told_of(bool isGiven)
    {
        using TestProgram root = TestProgram.Shell("exec sleep 1000"), child = TestProgram.Shell("exec sleep 1000");
        using TemporaryFolder image = WriteNear(isGiven, root, child);

        Assert.Empty(MoveRecords.ReadUnsettled());

        Assert.False(Directory.Exists(image.At("image")));
        Assert.Empty(Directory.GetFiles(MoveRecords.Folder, _moveId + "*"));
    }

    [Fact]
    public void A_tree_whose_root_runs_here_was_not_killed_though_others_have_ended()
    {
        using TestProgram root = TestProgram.Shell("exec sleep 1000"), child = TestProgram.Shell("exec sleep 1000");
        using TemporaryFolder image = WriteNear(isGiven: true, root, child);
        End(child);

        Assert.Empty(MoveRecords.ReadUnsettled());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Of_a_tree_that_was_killed_in_part_the_rest_is_told(bool isRootStopped)
    {
        using TestProgram root = TestProgram.Shell("exec sleep 1000"), child = TestProgram.Shell("exec sleep 1000");
        using TemporaryFolder image = WriteNear(isGiven: true, root, child);
        if (isRootStopped)
        {
            CriuProgram.Kill("-STOP", $"{root.ProcessId}");
            Wait.Until(() => ProcessStatus.TryRead(root.ProcessId)?.State == ProcessState.Stopped, () => "it is not stopped");
        }

        End(isRootStopped ? child : root);
        int left = (isRootStopped ? root : child).ProcessId;

        MoveUnsettled unsettled = Assert.Single(MoveRecords.ReadUnsettled());

        Assert.Equal(left, Assert.Single(unsettled.Left));
        Assert.Contains($"It does not run there: of its 2 processes {left} are still here", unsettled.Describe());
        Assert.True(Directory.Exists(image.At("image")));
    }

    [Fact]
    public void A_tree_of_which_nothing_is_here_is_unknown_once_it_was_given_away()
    {
        using TestProgram root = TestProgram.Shell("exec sleep 1000");
        using TemporaryFolder image = WriteNear(isGiven: true, root);
        End(root);

        MoveUnsettled unsettled = Assert.Single(MoveRecords.ReadUnsettled());

        Assert.Empty(unsettled.Left);
        Assert.Contains("whether it runs there is not known", unsettled.Describe());
    }

    [Fact]
    public void What_has_continued_here_in_part_before_it_was_given_away_is_not_told_of()
    {
        using TestProgram root = TestProgram.Shell("exec sleep 1000"), child = TestProgram.Shell("exec sleep 1000");
        using TemporaryFolder image = WriteNear(isGiven: false, root, child);
        End(root);

        Assert.Empty(MoveRecords.ReadUnsettled());
    }

    [Theory]
    [InlineData("00000000000000000000000000000000")]
    [InlineData("../running/1")]
    [InlineData("")]
    public void A_move_that_nobody_knows_is_unknown(string moveId) => Assert.Equal(MoveOutcome.Unknown, MoveRecords.Settle(moveId).Outcome);

    private static void End(TestProgram program)
    {
        ProcessIdentity process = ProcessIdentity.TryRead(program.ProcessId)!.Value;
        ProcessKill.Kill(process);
        Wait.Until(() => !process.IsRunning(), () => "it does not end");
    }

    // By a session that has ended.
    private TemporaryFolder WriteNear(bool isGiven, params TestProgram[] tree)
    {
        var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At("image"));
        File.WriteAllText(Path.Combine(folder.At("image"), "inventory.img"), "");
        MoveRecords.Write(new MoveNearRecord
        {
            MoveId = _moveId,
            HostName = "far",
            ProcessId = tree[0].ProcessId,
            Tree = [.. tree.Select(static each => ProcessIdentity.TryRead(each.ProcessId)!.Value)],
            BootId = BootId.Current,
            Command = "program",
            ImagePath = folder.At("image"),
            IsGiven = isGiven,
            Since = DateTimeOffset.UtcNow,
            SessionId = 1 << 22,
            SessionStartTimeTicks = 1,
        });
        return folder;
    }

    private void WriteBy(int sessionId, ulong startTime) => MoveRecords.Write(
        _moveId,
        new MoveFarRecord { State = MoveFarState.Ready, Command = "program", Since = DateTimeOffset.UtcNow, SessionId = sessionId, SessionStartTimeTicks = startTime });

    private void Write(MoveFarState state, MoveResumed? resumed = null) =>
        MoveRecords.Write(_moveId, new MoveFarRecord { State = state, Command = "program", Since = DateTimeOffset.UtcNow, Resumed = resumed });
}
