using System.Diagnostics;
using PSCrac.Interop;

namespace PSCrac.Moving;

/// <summary>What became of the pages that were to follow a process that runs on the far side.</summary>
/// <param name="Frame">The far side's last word; null without any.</param>
/// <param name="ImagePath">The path of the far side's image, if it kept it.</param>
/// <param name="BytesSent">The bytes sent over connections that were made again.</param>
/// <param name="Failure">Why they did not all come; null if they did.</param>
internal readonly record struct MovePushed(MoveFrame? Frame, string? ImagePath, long BytesSent, CracException? Failure);

/// <summary>The end of a move with lazy pages, when the process runs on the far side: the rest of its memory follows, if need be over new connections.</summary>
internal sealed class MovePushing(MoveRequest request, SshTransport transport, MovePages pages, string moveId)
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(200);
    private long _bytesSent;
    private CracException? _lost;

    /// <summary>Sends the rest.</summary>
    internal MovePushed Run()
    {
        if (TryPush(transport) is { } end)
        {
            return end;
        }

        transport.Kill();
        for (long since = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(since) < request.PagesLimit; Thread.Sleep(s_pause))
        {
            if (TryAgain(ref since) is { } later)
            {
                return later;
            }
        }

        return new MovePushed(null, null, _bytesSent, _lost);
    }

    private MovePushed? TryPush(SshTransport link)
    {
        try
        {
            MoveFrame frame = pages.Push(link.Channel);
            switch (frame)
            {
                case MoveFrame.Complete:
                    string path = System.Text.Encoding.UTF8.GetString(link.Channel.Content);
                    return new MovePushed(frame, path.Length > 0 ? path : null, _bytesSent, null);
                case MoveFrame.Failed:
                    return new MovePushed(
                        frame, null, _bytesSent, MoveRun.FailureOf(link.Channel.Message(MoveJson.Default.MoveFailure), request.Host, "has ended the process, since its memory did not come"));
                default:
                    throw new MoveLinkException("what came is not the protocol");
            }
        }
        catch (MoveLinkException e)
        {
            _lost = new CracException(CracReason.ConnectionLost, $"The connection to {request.Host} ended before all memory was there: {e.Message}.", null, e);
            return null;
        }
    }

    private MovePushed? TryAgain(ref long since)
    {
        try
        {
            using SshTransport again = SshTransport.Connect(request.Host, CancellationToken.None, out _);
            try
            {
                again.Channel.Send(MoveFrame.Attach, System.Text.Encoding.ASCII.GetBytes(moveId));
                pages.Restart();
                MoveFrame? frame;
                while ((frame = again.Channel.Receive(MoveProtocol.AnswerLimit)) == MoveFrame.Held)
                {
                    pages.NoteHeld(again.Channel.Content);
                }

                MovePushed? end = null;
                if (frame == MoveFrame.Attached)
                {
                    end = TryPush(again);
                    since = Stopwatch.GetTimestamp();
                }
                else if (frame == MoveFrame.Complete)
                {
                    end = new MovePushed(frame, null, 0, null);
                }
                else if (frame == MoveFrame.Failed)
                {
                    end = new MovePushed(
                        frame, null, 0, MoveRun.FailureOf(again.Channel.Message(MoveJson.Default.MoveFailure), request.Host, "has ended the process, since its memory did not come"));
                }

                if (end is not null)
                {
                    again.Channel.Send(MoveFrame.End);
                }

                _bytesSent += again.Channel.BytesSent;
                return end is { } found ? found with { BytesSent = _bytesSent } : null;
            }
            catch (MoveLinkException e)
            {
                _bytesSent += again.Channel.BytesSent;
                _lost = again.Explain(e);
            }
        }
        catch (CracException e)
        {
            _lost = e;
        }

        return null;
    }
}
