using System.Diagnostics;
using PSCrac.Interop;
using PSCrac.Moving;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace PSCrac.Tests.Moving;

/// <summary>A process moves to another host, or continues where it was.</summary>
[Collection(AloneCollection.Name)]
public sealed class MoveTests(ITestOutputHelper output) : IDisposable
{
    private readonly FarHost _far = new();

    public void Dispose() => _far.Dispose();

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    public void A_process_runs_on_the_other_host_and_no_step_is_lost_or_repeated()
    {
        using var program = new CountingProgram(children: 0);
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

    [CriuFact("sshd", "ssh", "ssh-keygen", "unshare", "nsenter", "ip", "python3")]
    public void A_tree_of_thirty_runs_in_one_place_and_whole_when_criu_is_killed_while_it_kills_it()
    {
        const int Children = 29;
        const int Kills = 6;
        const int StepMicroseconds = 150;
        var ends = new List<string>();
        for (int i = 0; i < Kills; i++)
        {
            using var program = new CountingProgram(mebibytes: 1, Children);
            Thread? killer = null;
            CracException? failure = null;
            var request = new MoveRequest
            {
                ProcessId = program.ProcessId,
                Host = _far.Host,
                Reached = reached =>
                {
                    if (reached == MoveState.Given)
                    {
                        int criu = ProcessTree.Read(Environment.ProcessId).Members.First(static member => FarHost.CommandLineOf(member.ProcessId).Contains("swrk", StringComparison.Ordinal)).ProcessId;
                        long at = Stopwatch.GetTimestamp() + (Stopwatch.Frequency / 1_000_000 * StepMicroseconds * i);
                        killer = new Thread(() =>
                        {
                            SpinWait.SpinUntil(() => Stopwatch.GetTimestamp() >= at);
                            LibC.Kill(criu, LibC.SIGKILL);
                        });
                        killer.Start();
                    }
                },
            };
            using (Move move = Move.Prepare(request, null, CancellationToken.None))
            {
                try
                {
                    ends.Add(move.Run(null, CancellationToken.None).State.ToString());
                }
                catch (CracException e)
                {
                    failure = e;
                    ends.Add(e.Message.Contains("restored here", StringComparison.Ordinal) ? "restored here" : "continues here");
                }
            }

            killer!.Join();
            bool isThere = ends[^1] == nameof(CracMoveState.Moved);
            List<int> running = [];
            Wait.Until(() => (running = program.Find()).Count == program.ProcessCount, () => $"{failure}, and {running.Count} processes run it: {program.Errors}");
            Assert.Equal(isThere ? running.Count : 0, _far.Processes().Count(status => running.Contains(status.ProcessId)));
            program.RequireCounting();
            program.RequireConsecutive();
            running.ForEach(static id => LibC.Kill(id, LibC.SIGKILL));
            Wait.Until(() => program.Find().Count == 0, static () => "it does not end");
        }

        output.WriteLine(string.Join(", ", ends));
    }
}
