using PSCrac.Moving;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Moving;

/// <summary>A process moves to another host, or continues where it was.</summary>
[Collection(AloneCollection.Name)]
public sealed class MoveTests : IDisposable
{
    private readonly FarHost _far = new();

    public void Dispose() => _far.Dispose();

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    public void A_process_runs_on_the_other_host_and_no_step_is_lost_or_repeated()
    {
        using var program = new CountingProgram();
        using Move move = Move.Prepare(new MoveRequest { ProcessId = program.ProcessId, Host = _far.Host }, null, CancellationToken.None);

        CracMovedProcess moved = move.Run(null, CancellationToken.None);

        Assert.Equal(CracMoveState.Moved, moved.State);
        Assert.Equal(program.ProcessId, moved.RemoteProcessId);
        Assert.Equal(program.ProcessId, moved.SourceProcessId);
        int there = Assert.Single(program.Find());
        Assert.Contains(_far.Processes(), status => status.ProcessId == there);
        program.RequireCounting();
        program.RequireConsecutive();
        Assert.True(moved.Downtime > TimeSpan.Zero && moved.TransferTime > TimeSpan.Zero && moved.BytesSent > 4 << 20);
        Assert.Empty(moved.Warnings);
        Assert.Null(moved.ImagePath);
    }
}
