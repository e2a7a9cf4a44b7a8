namespace PSCrac.Moving;

// A program touches first what lies near what it has touched last, and each page that it lacks costs it a round trip. So the pages around the
// one that was asked for last go before the others: when the process has just begun to run, and while criu kills the tree here, when nothing
// else goes over the connection.
internal sealed partial class MovePages
{
    // What is sent before the process runs is to stay below 5 MB; what it asks for between GO and its first instruction comes on top.
    private const long MostBefore = 3_500_000;
    private const int AheadTickMilliseconds = 1;

    private static readonly TimeSpan s_beginning = TimeSpan.FromMilliseconds(200);

    private Part? _around;
    private long _center;
    private long _above;
    private long _below;
    private long _begun;
    private Task? _ahead;
    private volatile bool _isAheadOver;
    private MoveFrame? _early;
    private bool _isBroken;

    /// <summary>Begins to send pages on a thread of its own. Nobody else may use the connection or this until <see cref="EndAhead"/>.</summary>
    internal void BeginAhead(MoveChannel channel) => _ahead = Task.Factory.StartNew(
        () => SendAhead(channel), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Ends it. A connection that has come to a standstill, or has ended, is found by whoever receives next.</summary>
    /// <param name="cut">Cuts the connection.</param>
    internal void EndAhead(Action cut)
    {
        _isAheadOver = true;
        if (_ahead is { } ahead && !ahead.Wait(MoveProtocol.OutcomeLimit))
        {
            cut();
            ahead.Wait();
        }
    }

    private void NoteAsked(Part part, long page)
    {
        if (page >= 0 && page < part.File.Pages)
        {
            (_around, _center, _above, _below) = (part, page, page, page);
        }
    }

    // What was received meanwhile, and brings something else.
    private MoveFrame? TakeEarly()
    {
        if (_isBroken)
        {
            throw new MoveLinkException("the connection was closed");
        }

        MoveFrame? early = _early;
        _early = null;
        return early;
    }

    private void SendAhead(MoveChannel channel)
    {
        try
        {
            while (!_isAheadOver && _early is null)
            {
                bool maySend = _around is not null && _unconfirmed < LeastWindow && channel.BytesSent < MostBefore;
                if (channel.HasInput(maySend ? 0 : AheadTickMilliseconds))
                {
                    MoveFrame frame = channel.Receive(s_silence) ?? throw new MoveLinkException("the other side is silent");
                    if (frame is MoveFrame.Want or MoveFrame.Taken)
                    {
                        Handle(frame, channel);
                    }
                    else
                    {
                        _early = frame;
                    }
                }
                else if (maySend)
                {
                    SendAround(channel);
                }
            }
        }
        catch (Exception e) when (e is MoveLinkException or CracException or IOException)
        {
            _isBroken = true;
        }
    }

    private bool SendAround(MoveChannel channel)
    {
        if (_around is not { } part)
        {
            return false;
        }

        int most = BusyPieceSize / s_pageSize;
        long above = part.FindUnsent(_above);
        long last = part.FindUnsentBefore(_below);
        if (above >= 0 && (last < 0 || above - _center <= _center - last))
        {
            Send(channel, part, above, most);
            _above = above;
            return true;
        }

        if (last < 0)
        {
            _around = null;
            return false;
        }

        long first = last;
        while (last - first + 1 < most && part.CountUnsent(first - 1, 1) > 0)
        {
            first--;
        }

        Send(channel, part, first, most);
        _below = first;
        return true;
    }
}
