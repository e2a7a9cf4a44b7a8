using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Paging;

namespace PSCrac.Moving;

// What the far side does for lazy pages.
public sealed partial class MoveReceiver
{
    private bool _isOver;

    private static SafeFileHandle? Connect(PageSource source)
    {
        SafeFileHandle connection = source.Connect(out Errno errno);
        if (errno == 0)
        {
            return connection;
        }

        connection.Dispose();
        return null;
    }

    private PageSource CreateSource(MoveRestore asked)
    {
        PageSource source = MoveRecords.CreatePages(_moveId, _server, TimeSpan.FromMilliseconds(asked.SilenceMilliseconds), asked.KeepImage);
        _server = null;
        return source;
    }

    // When the process runs, the daemon goes on without the connection for a while.
    private void CancelRestore(CancellationTokenSource stop)
    {
        if (!_isResuming)
        {
            try
            {
                stop.Cancel();
            }
            catch (ObjectDisposedException)
            {
            }
        }
    }

    // The pages of a process that runs here go on over this connection.
    private void Attach(string moveId)
    {
        _moveId = MoveRecords.IsId(moveId) ? moveId : throw new MoveLinkException("what came is not the protocol");
        if (MoveRecords.ConnectPages(moveId, out bool isCompleted) is not { } feed)
        {
            if (isCompleted)
            {
                _channel.Send(MoveFrame.Complete);
            }
            else
            {
                SendFailure(PagesLost(), mayHaveRun: true);
            }

            return;
        }

        using var pages = new MovePageReceiver(_channel, () => feed, listsHeld: true, broken: null);
        AwaitPages(pages, kept: null);
    }

    private void AwaitPages(MovePageReceiver pages, MoveImageReceiver? kept)
    {
        PageFeedKind? end = pages.Ended.GetAwaiter().GetResult();
        if (pages.IsLinkBroken)
        {
            throw new MoveLinkException("the connection was closed");
        }

        if (end == PageFeedKind.Completed)
        {
            kept?.Keep();
            _channel.Send(MoveFrame.Complete, System.Text.Encoding.UTF8.GetBytes(kept?.Image.Path ?? ""));
        }
        else
        {
            SendFailure(PagesLost(), mayHaveRun: true);
        }

        pages.Receive(MoveProtocol.AnswerLimit);
        _isOver = true;
    }

    private static CracException PagesLost() => new(
        CracReason.ConnectionLost, "The process was ended, since a part of its memory did not come: its page daemon was ended, or nothing came any more.", "See docs/moving.md for what the near side can do.");
}
