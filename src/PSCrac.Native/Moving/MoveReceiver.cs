using System.Reflection;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Paging;
using PSCrac.Procfs;
using PSCrac.Restoring;

namespace PSCrac.Moving;

/// <summary>
/// The far side of a move. Move-CracProcess starts it on the other host by ssh, in a crac-start or a pwsh of its own; it is not for anyone
/// else. It ends with the connection.
/// </summary>
public sealed partial class MoveReceiver : IDisposable
{
    /// <summary>The argument that makes crac-start the far side, over descriptors 3 and 4.</summary>
    internal const string Argument = "--receive";

    private readonly MoveChannel _channel;
    private MoveImageReceiver? _image;
    private PageServer? _server;
    private string _moveId = "";
    private bool _hasBegun;
    private int? _rootId;
    private bool _isReady;
    private bool _mayResume;
    private bool _isResuming;

    private MoveReceiver(MoveChannel channel) => _channel = channel;

    /// <summary>Receives over two descriptors that this process has inherited, until the near side has ended the connection.</summary>
    /// <param name="input">The number of the descriptor that the near side writes to.</param>
    /// <param name="output">The number of the descriptor that the near side reads from.</param>
    public static void Run(int input, int output)
    {
        // What criu and others inherit must not keep the connection open.
        using var inherited = new SafeFileHandle(input, ownsHandle: true);
        using var inheritedOutput = new SafeFileHandle(output, ownsHandle: true);
        SafeFileHandle read = LibC.Duplicate(inherited, 0, out _);
        SafeFileHandle write = LibC.Duplicate(inheritedOutput, 0, out _);
        inherited.Dispose();
        inheritedOutput.Dispose();
        using var channel = new MoveChannel(read, write);
        try
        {
            using var receiver = new MoveReceiver(channel);
            receiver.Serve();
        }
        catch (MoveLinkException)
        {
            // The near side has gone. It knows, or will ask.
        }
    }

    /// <summary>Removes the image, unless it is kept, and what is kept of a move that did not come as far as READY: nobody asks for it.</summary>
    public void Dispose()
    {
        if (_hasBegun && !_isReady)
        {
            MoveRecords.Remove(_moveId);
        }

        _server?.Dispose();
        _image?.Dispose();
    }

    private void Serve()
    {
        _channel.SendGreeting();
        _channel.Send(
            MoveFrame.Hello,
            new MoveHello
            {
                Protocol = MoveProtocol.Version,
                ModuleVersion = typeof(MoveReceiver).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "",
                HostName = Environment.MachineName,
            },
            MoveJson.Default.MoveHello);
        while (!_isOver && _channel.Receive(Timeout.InfiniteTimeSpan) is { } frame && frame != MoveFrame.End)
        {
            Answer(frame);
        }

        if (_moveId.Length > 0)
        {
            MoveRecords.Remove(_moveId);
        }
    }

    private void Answer(MoveFrame frame)
    {
        try
        {
            switch (frame)
            {
                case MoveFrame.Question:
                    MoveQuestion question = _channel.Message(MoveJson.Default.MoveQuestion);
                    _channel.Send(MoveFrame.Answer, new MoveAnswer { Findings = MoveSuitability.Examine(question) }, MoveJson.Default.MoveAnswer);

                    // It starts while the process is dumped.
                    _server = question.LazyPages ? _server ?? PageServer.Start(question.Ids) : null;
                    break;
                case MoveFrame.Image when _image is null && !_hasBegun:
                    MoveImage image = _channel.Message(MoveJson.Default.MoveImage);
                    _moveId = MoveRecords.IsId(image.MoveId) ? image.MoveId : throw new MoveLinkException("what came is not the protocol");
                    _image = MoveImageReceiver.Receive(_channel, image);
                    break;
                case MoveFrame.Restore when _image is not null && !_hasBegun:
                    RestoreImage(_channel.Message(MoveJson.Default.MoveRestore), _image);

                    // While the near side removes its own.
                    _image.Dispose();
                    _image = null;
                    break;
                case MoveFrame.Settle:
                    string moveId = System.Text.Encoding.ASCII.GetString(_channel.Content);
                    _channel.Send(MoveFrame.Settled, MoveRecords.Settle(moveId), MoveJson.Default.MoveSettlement);
                    break;
                case MoveFrame.Attach:
                    Attach(System.Text.Encoding.ASCII.GetString(_channel.Content));
                    break;
                default:
                    throw new MoveLinkException("what came is not the protocol");
            }
        }
        catch (CracException e)
        {
            SendFailure(e, mayHaveRun: false);
        }
    }

    private void RestoreImage(MoveRestore asked, MoveImageReceiver received)
    {
        _hasBegun = true;
        if (asked.KeepImage && !asked.LazyPages)
        {
            received.Keep();
        }

        CracImage image = received.Image;
        using var stop = new CancellationTokenSource();
        MoveResumed resumed;
        using PageSource? source = asked.LazyPages ? CreateSource(asked) : null;
        using MovePageReceiver? pages = source is null ? null : new MovePageReceiver(_channel, () => Connect(source), listsHeld: false, () => CancelRestore(stop));
        using LinkWatch? watch = pages is null ? new LinkWatch(_channel, stop) : null;
        try
        {
            using CracRestoredProcess restored = Restore.Run(
                new RestoreRequest
                {
                    Image = image,
                    PidNamespace = asked.PidNamespace,
                    Options = new RestoreOptions { LazyPages = source is not null },
                    Pages = source,
                    Restored = held =>
                    {
                        watch?.Stop();
                        stop.Token.ThrowIfCancellationRequested();
                        AwaitGo(held, image, pages);
                    },
                    Resuming = () => _isResuming = true,
                },
                progress: null,
                stop.Token);
            resumed = new MoveResumed
            {
                ProcessId = restored.Id,
                NamespaceInitId = restored.NamespaceInitId,
                ImagePath = image.Path,
                Warnings = restored.Warnings,
            };
        }
        catch (CracException e) when (_isResuming && e.Reason == CracReason.ProcessGone && _rootId is { } root)
        {
            // It has run, and is at its end.
            resumed = new MoveResumed { ProcessId = root, ImagePath = image.Path, Warnings = [e.Message] };
        }
        catch (Exception e)
        {
            received.Drop();
            Fail(e, image);
            return;
        }

        MoveRecords.Write(_moveId, RecordOf(MoveFarState.Resumed, image) with { Resumed = resumed });
        _channel.Send(MoveFrame.Resumed, resumed, MoveJson.Default.MoveResumed);
        if (pages is not null)
        {
            source!.Close();
            AwaitPages(pages, asked.KeepImage ? received : null);
        }
    }

    // criu holds the restored tree, in which nothing has run yet, until this returns.
    private void AwaitGo(HeldTree held, CracImage image, MovePageReceiver? pages)
    {
        if (_mayResume)
        {
            throw new CracException(CracReason.WorkerDied, "The restore was begun again.");
        }

        _rootId = held.RootProcessId;
        _isReady = true;
        MoveRecords.Write(_moveId, RecordOf(MoveFarState.Ready, image));
        try
        {
            _channel.Send(MoveFrame.Ready);
            MoveFrame? frame = pages is null ? _channel.Receive(MoveProtocol.GoLimit, () => RequireHeld(held)) : pages.Receive(MoveProtocol.GoLimit, () => RequireHeld(held));
            if (frame == MoveFrame.Go)
            {
                RequireHeld(held);
                _mayResume = MoveRecords.TryDecide(_moveId, resumes: true);
            }

            if (!_mayResume)
            {
                throw new CracException(
                    CracReason.ConnectionLost,
                    frame is null ? $"The other side did not say GO within {MoveProtocol.GoLimit.TotalSeconds:0} s." : "The move was given up.",
                    "Move the process again.");
            }
        }
        finally
        {
            if (!_mayResume)
            {
                MoveRecords.TryDecide(_moveId, resumes: false);
            }
        }
    }

    private static void RequireHeld(HeldTree held)
    {
        if (!held.IsHeld())
        {
            throw new CracException(CracReason.WorkerDied, "criu was killed while it held the restored process.", "Move the process again.");
        }
    }

    private void Fail(Exception failure, CracImage image)
    {
        // criu itself ends what it restored, unless it was killed; then it may have let a part of it run.
        bool mayHaveRun = _mayResume && (_isResuming || failure is not CracException { Reason: not CracReason.WorkerDied });
        if (_mayResume && !mayHaveRun)
        {
            MoveRecords.Write(_moveId, RecordOf(MoveFarState.NotResumed, image));
        }

        if (failure is MoveLinkException)
        {
            throw failure;
        }

        SendFailure(failure as CracException ?? new CracException(CracReason.Unknown, failure.Message, null, failure), mayHaveRun);
    }

    private static MoveFarRecord RecordOf(MoveFarState state, CracImage image) => new()
    {
        State = state,
        Command = image.Command,
        Since = DateTimeOffset.UtcNow,
        SessionId = Environment.ProcessId,
        SessionStartTimeTicks = ProcessIdentity.TryRead(Environment.ProcessId)?.StartTimeTicks ?? 0,
    };

    private void SendFailure(CracException failure, bool mayHaveRun) => _channel.Send(
        MoveFrame.Failed,
        new MoveFailure
        {
            Reason = failure.Reason.ToString(),
            Message = failure.Message,
            RecommendedAction = failure.RecommendedAction,
            CriuLines = failure.CriuLines,
            Findings = failure.Findings,
            MayHaveRun = mayHaveRun,
        },
        MoveJson.Default.MoveFailure);

    /// <summary>Cancels the restore when the connection ends, or the near side says anything, before the restore has come to its end.</summary>
    private sealed class LinkWatch : IDisposable
    {
        private const int SliceMilliseconds = 20;
        private readonly Thread _thread;
        private volatile bool _isStopped;

        internal LinkWatch(MoveChannel channel, CancellationTokenSource stop)
        {
            _thread = new Thread(() =>
            {
                while (!_isStopped)
                {
                    if (channel.HasInput(SliceMilliseconds) && !_isStopped)
                    {
                        stop.Cancel();
                        return;
                    }
                }
            })
            { IsBackground = true, Name = "move link" };
            _thread.Start();
        }

        internal void Stop()
        {
            _isStopped = true;
            _thread.Join();
        }

        public void Dispose() => Stop();
    }
}
