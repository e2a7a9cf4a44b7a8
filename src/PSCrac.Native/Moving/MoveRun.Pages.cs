using System.Diagnostics;
using PSCrac.Common;

namespace PSCrac.Moving;

// The end of a move with lazy pages.
internal sealed partial class MoveRun
{
    private MovePages? _pages;
    private long _bytesSentBefore;

    // The process runs there. It is known to be lost as long as something of its memory was not even sent: then it is ended there.
    private CracMoveState PushPages(MoveResumed resumed, out MovePushed pushed)
    {
        pushed = default;
        _bytesSentBefore = Channel.BytesSent;
        if (_pages is not { } pages)
        {
            if (_request.LazyPages)
            {
                _warnings.Add("All memory was sent before the process ran there: its image has none that can come later.");
            }

            return CracMoveState.Moved;
        }

        using (pages)
        {
            Report(CracPhase.Sending);
            pushed = new MovePushing(_request, _transport, pages, _moveId).Run();
            _transferTime = Stopwatch.GetElapsedTime(_frozenAt);
            if (pushed.Frame == MoveFrame.Complete)
            {
                Reach(MoveState.Completed);
                if (_request.KeepImage && pushed.ImagePath is null)
                {
                    _warnings.Add($"{_request.Host} has not kept the image, since the connection was made again: {resumed.ImagePath} was removed there.");
                }

                return CracMoveState.Moved;
            }

            return pushed.Frame is null && pages.AllSent ? CracMoveState.Unknown : CracMoveState.Lost;
        }
    }

    private string DescribeLost() =>
        $"It is not restored by itself, since what it did on {_request.Host} would be done again. To continue here from where it was frozen: Restore-CracProcess '{_imagePath}'. Otherwise remove the image: Remove-CracImage '{_imagePath}'.";
}
