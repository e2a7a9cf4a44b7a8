using System.Diagnostics;

namespace PSCrac.Moving;

/// <summary>What became of a process that was given away.</summary>
/// <param name="Kind">Whether it runs on the far side.</param>
/// <param name="Resumed">Where it runs; null if it is not known to.</param>
/// <param name="Failure">What went wrong; null if nothing did.</param>
/// <param name="Downtime">From the freeze until it was known to run; null if it is not.</param>
internal readonly record struct MoveEnd(MoveOutcome Kind, MoveResumed? Resumed, CracException? Failure, TimeSpan? Downtime);

/// <summary>The end of a move, when the tree has ended here: GO, and if need be the question what became of it, over another connection.</summary>
internal sealed class MoveGo(MoveRequest request, SshTransport transport, string moveId, long frozenAt, MovePages? pages)
{
    /// <summary>Says GO, and waits for what comes of it.</summary>
    internal MoveEnd Run()
    {
        try
        {
            transport.Channel.Send(MoveFrame.Go);
            request.Reached?.Invoke(MoveState.Going);
            switch (pages is null ? transport.Channel.Receive(MoveProtocol.OutcomeLimit) : pages.Receive(transport.Channel, MoveProtocol.OutcomeLimit))
            {
                case MoveFrame.Resumed:
                    TimeSpan downtime = Stopwatch.GetElapsedTime(frozenAt);
                    request.Reached?.Invoke(MoveState.Moved);
                    return new MoveEnd(MoveOutcome.Resumed, transport.Channel.Message(MoveJson.Default.MoveResumed), null, downtime);
                case MoveFrame.Failed:
                    MoveFailure failure = transport.Channel.Message(MoveJson.Default.MoveFailure);
                    return failure.MayHaveRun
                        ? new MoveEnd(MoveOutcome.Unknown, null, MoveRun.FailureOf(failure, request.Host, "has ended the process, of which a part may have run"), null)
                        : new MoveEnd(MoveOutcome.NotResumed, null, MoveRun.FailureOf(failure, request.Host, "could not resume the process"), null);
            }
        }
        catch (MoveLinkException)
        {
        }

        return Settle();
    }

    // Over a connection of its own. What answers forbids a receiver that still waits for GO to resume.
    private MoveEnd Settle()
    {
        const int Attempts = 3;
        CracException? lost = null;
        transport.Kill();
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            try
            {
                using SshTransport again = SshTransport.Connect(request.Host, CancellationToken.None, out _);
                again.Channel.Send(MoveFrame.Settle, System.Text.Encoding.ASCII.GetBytes(moveId));
                if (again.Channel.Receive(MoveProtocol.AnswerLimit) == MoveFrame.Settled)
                {
                    MoveSettlement settled = again.Channel.Message(MoveJson.Default.MoveSettlement);
                    again.Channel.Send(MoveFrame.End);
                    lost = new CracException(CracReason.ConnectionLost, $"The connection to {request.Host} ended before the process ran there.", $"Check the link to {request.Host}, and move the process again.");
                    return new MoveEnd(settled.Outcome, settled.Resumed, lost, settled.Outcome == MoveOutcome.Resumed ? Stopwatch.GetElapsedTime(frozenAt) : null);
                }
            }
            catch (Exception e) when (e is CracException or MoveLinkException)
            {
                lost = e as CracException;
            }
        }

        return new MoveEnd(MoveOutcome.Unknown, null, lost, null);
    }
}
