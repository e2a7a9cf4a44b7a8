using System.Diagnostics;
using System.Globalization;
using System.Net;
using Microsoft.Win32.SafeHandles;
using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.PidNamespaces;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Staging;

namespace PSCrac.Moving;

/// <summary>
/// The near side of a move, from the freeze on; docs/moving.md has its states. Until the process is given away any failure lets it continue
/// here, since criu still holds it; from then on the far side decides.
/// </summary>
internal sealed partial class MoveRun
{
    private static readonly TimeSpan s_lastWords = TimeSpan.FromSeconds(1);

    private readonly MoveRequest _request;
    private readonly CracMovePlan _plan;
    private readonly SshTransport _transport;
    private readonly IProgress<CracProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly string _moveId = Guid.NewGuid().ToString("N");
    private readonly string _imagePath;
    private readonly List<string> _warnings = [];
    private ProcessIdentity[] _tree = [];
    private int _innerId;
    private SafeFileHandle? _network;
    private MoveLinkException? _broken;
    private long _frozenAt;
    private TimeSpan _transferTime;
    private bool _hasPrepared;
    private int _isDecided;

    internal MoveRun(MoveRequest request, CracMovePlan plan, SshTransport transport, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        _request = request;
        _plan = plan;
        _transport = transport;
        _progress = progress;
        _cancellation = cancellation;
        _imagePath = ImageRoot.PathOf($"{ImageName.ForProcess("moving", request.ProcessId)}-{_moveId}");
    }

    private MoveChannel Channel => _transport.Channel;

    /// <summary>Whether it is on the disk that the process is given away.</summary>
    private bool IsGiven { get; set; }

    /// <summary>Moves the process.</summary>
    internal CracMovedProcess Run()
    {
        // Ends whatever waits for the other side, unless the process is being given away.
        using CancellationTokenRegistration cancelling = _cancellation.Register(() =>
        {
            if (Interlocked.CompareExchange(ref _isDecided, 1, 0) == 0)
            {
                _transport.Kill();
            }
        });
        using SafeFileHandle network = _network = LibC.Open(string.Create(CultureInfo.InvariantCulture, $"/proc/{_request.ProcessId}/ns/net"), LibC.O_RDONLY, out _);
        try
        {
            Dump();
        }
        catch (Exception e) when (!IsGiven || WasNotKilled())
        {
            MoveRecords.Remove(_moveId);
            if (IsGiven)
            {
                Undo();
            }

            throw _broken is not null && e is CracException ? _transport.Explain(_broken) : e;
        }
        catch (CracException e)
        {
            // criu was killed while it killed the tree. What is left of it is stopped (QueuedStop), and the image is whole.
            if (Array.FindAll(_tree, static each => each.IsRunning()) is { Length: > 0 } left)
            {
                Array.ForEach(left, ProcessKill.Kill);
                return RestoreHere(e);
            }
        }

        Reach(MoveState.Killed);
        Report(CracPhase.Resuming);
        return Conclude(new MoveGo(_request, _transport, _moveId, _frozenAt, _pages).Run());
    }

    /// <summary>The exception for a failure of the far side.</summary>
    internal static CracException FailureOf(MoveFailure failure, MoveHost host, string what) => new(
        Enum.TryParse(failure.Reason, out CracReason reason) ? reason : CracReason.Unknown, $"{host} {what}: {failure.Message}", failure.RecommendedAction)
    {
        CriuLines = failure.CriuLines,
        Findings = failure.Findings,
    };

    private void Dump()
    {
        var request = new CheckpointRequest
        {
            ProcessId = _request.ProcessId,
            ImagePath = _imagePath,
            Engine = CracEngineChoice.Criu,
            Options = Move.OptionsOf(_request),
            NoSync = true,
            PidTimeout = TimeSpan.Zero,
            Sealed = GiveAway,
        };
        _innerId = ProcessTree.Read(_request.ProcessId).Root.Status.InnermostProcessId;
        try
        {
            Checkpoint.Run(request, new FreezeWatch(this), _cancellation);
        }
        finally
        {
            _pages?.EndAhead(_transport.Kill);
        }
    }

    // criu holds the frozen tree until this returns, and kills it then. It lets the tree continue if this throws, or if this process ends.
    private void GiveAway(HeldTree held)
    {
        try
        {
            _tree =
            [
                .. ProcessTree.Read(_request.ProcessId).Members.Where(static member => member.Status is not { HasEnded: true, ThreadCount: <= 1 }).Select(static member => member.Status.Identity),
            ];
            MoveRecords.Write(Record(isGiven: false));
            Reach(MoveState.Frozen);
            _pages = _request.LazyPages ? MovePages.TryOpen(held.ImagePath) : null;
            MoveImageSender.Send(Channel, held.ImagePath, new MoveImage { MoveId = _moveId, Name = _plan.ImageName, Files = [] }, _progress, _pages, () => RequireHeld(held));
            Reach(MoveState.Sent);
            Prepare();
            Channel.Send(MoveFrame.Restore, RestoreOf(), MoveJson.Default.MoveRestore);
            Report(CracPhase.Restoring);
            Reach(MoveState.Restoring);
            RequireReady(held);
            Reach(MoveState.Ready);
            RequireHeld(held);
            Decide();
            MoveRecords.Write(Record(isGiven: true));
            IsGiven = true;
            Reach(MoveState.Given);
            _pages?.BeginAhead(Channel);
        }
        catch (Exception e) when (!IsGiven)
        {
            Undo();
            throw Explain(e);
        }
    }

    // What a link that broke says about the cause takes a while to find out, and the tree waits.
    private Exception Explain(Exception failure)
    {
        if (_cancellation.IsCancellationRequested)
        {
            return new OperationCanceledException("The move was cancelled; the process continues here.", failure, _cancellation);
        }

        if (failure is MoveLinkException link)
        {
            if (TryReceiveFailure() is { } reported)
            {
                return reported;
            }

            _broken = link;
            return new CracException(CracReason.ConnectionLost, link.Message, null, link);
        }

        return failure as CracException
            ?? new CracException(CracReason.Unknown, $"{(_hasPrepared ? "-BeforeRestore failed" : "The move failed")}: {failure.Message} The process continues here.", "Mend what the message names, and move the process again.", failure);
    }

    // The far side may have said why before it closed the connection.
    private CracException? TryReceiveFailure()
    {
        try
        {
            return Channel.Receive(s_lastWords) == MoveFrame.Failed ? ContinuesHere(Channel.Message(MoveJson.Default.MoveFailure)) : null;
        }
        catch (MoveLinkException)
        {
            return null;
        }
    }

    private CracException ContinuesHere(MoveFailure failure) =>
        FailureOf(failure, _request.Host, "could not restore the process, which continues here");

    private void Prepare()
    {
        if (_request.BeforeRestore is { } prepare)
        {
            _hasPrepared = true;
            prepare(_plan);
        }
    }

    private void Undo()
    {
        if (!_hasPrepared)
        {
            return;
        }

        _hasPrepared = false;
        try
        {
            _request.OnFallback?.Invoke(_plan);
        }
        catch (Exception e)
        {
            _warnings.Add($"-OnFallback failed: {e.Message}");
        }
    }

    private void RequireReady(HeldTree held)
    {
        Action check = () => RequireHeld(held);
        MoveFrame? frame = _pages is null ? Channel.Receive(Timeout.InfiniteTimeSpan, check) : _pages.Receive(Channel, Timeout.InfiniteTimeSpan, check);
        _transferTime = Stopwatch.GetElapsedTime(_frozenAt);
        if (frame == MoveFrame.Failed)
        {
            throw ContinuesHere(Channel.Message(MoveJson.Default.MoveFailure));
        }

        if (frame != MoveFrame.Ready)
        {
            throw new MoveLinkException("what came is not the protocol");
        }
    }

    private MoveRestore RestoreOf() => new()
    {
        PidNamespace = _request.PidNamespace,
        KeepImage = _request.KeepImage,
        LazyPages = _pages is not null,
        SilenceMilliseconds = (int)Math.Min(_request.PagesLimit.TotalMilliseconds * 2, int.MaxValue),
    };

    private void RequireHeld(HeldTree held)
    {
        _cancellation.ThrowIfCancellationRequested();
        if (!held.IsHeld())
        {
            throw new CracException(CracReason.WorkerDied, "criu was killed while it held the process, which continues here.", "Move the process again.");
        }
    }

    private void Decide()
    {
        if (Interlocked.CompareExchange(ref _isDecided, 1, 0) != 0)
        {
            throw new OperationCanceledException(_cancellation);
        }
    }

    private MoveNearRecord Record(bool isGiven) => new()
    {
        IsGiven = isGiven,
        MoveId = _moveId,
        HostName = _request.Host.HostName,
        ProcessId = _request.ProcessId,
        Tree = _tree,
        BootId = BootId.Current,
        Command = _plan.Command,
        ImagePath = _imagePath,
        Since = DateTimeOffset.UtcNow,
        SessionId = Environment.ProcessId,
        SessionStartTimeTicks = ProcessIdentity.TryRead(Environment.ProcessId)?.StartTimeTicks ?? 0,
    };

    // criu had not begun to kill the tree when it ended, or when it refused.
    private bool WasNotKilled() => !CracImage.IsImageDirectory(_imagePath)
        || Array.TrueForAll(_tree, static each => ProcessStatus.TryRead(each.ProcessId) is { HasEnded: false, IsKilled: false } status && status.Identity == each);

    private CracMovedProcess Conclude(MoveEnd outcome)
    {
        if (outcome.Kind == MoveOutcome.NotResumed)
        {
            return RestoreHere(outcome.Failure!);
        }

        CracMoveState state = CracMoveState.Unknown;
        MovePushed pushed = default;
        if (outcome.Kind == MoveOutcome.Resumed)
        {
            RemoveLock();
            state = PushPages(outcome.Resumed!, out pushed);
        }

        bool isMoved = state == CracMoveState.Moved;
        bool keepsImage = !isMoved || _request.KeepImage;
        if (state != CracMoveState.Unknown)
        {
            Acknowledge();
        }

        // A record without its image reports nothing.
        if (!keepsImage)
        {
            RemoveImage();
        }

        if (state != CracMoveState.Unknown)
        {
            MoveRecords.Remove(_moveId);
        }

        return new CracMovedProcess
        {
            State = state,
            Command = _plan.Command,
            HostName = _request.Host.HostName,
            RemoteProcessId = outcome.Resumed?.ProcessId,
            RemoteNamespaceInitId = outcome.Resumed?.NamespaceInitId,
            SourceProcessId = _request.ProcessId,
            Downtime = outcome.Downtime,
            TransferTime = _transferTime,
            BytesSentBefore = _bytesSentBefore,
            BytesSent = Channel.BytesSent + pushed.BytesSent,
            ImagePath = keepsImage ? _imagePath : null,
            RemoteImagePath = !_request.KeepImage ? null : _pages is null ? outcome.Resumed?.ImagePath : pushed.ImagePath,
            Warnings = [.. _warnings, .. outcome.Resumed?.Warnings ?? []],
            RecommendedAction = isMoved ? null : state == CracMoveState.Lost ? DescribeLost() : DescribeSettling(_request.Host.Example, _imagePath),
            Failure = pushed.Failure ?? outcome.Failure,
        };
    }

    /// <summary>How to find out where a process is that was given away.</summary>
    /// <param name="ssh">ssh and the host, as a user types them.</param>
    /// <param name="imagePath">The image here.</param>
    internal static string DescribeSettling(string ssh, string imagePath) =>
        $"See whether it runs there: {ssh} pwsh -c Get-CracProcess. If it does, remove the image here: Remove-CracImage '{imagePath}'. If it does not, bring it back here: Restore-CracProcess '{imagePath}'.";

    // The far side has said that it did not resume it, and never will.
    private CracMovedProcess RestoreHere(CracException failure)
    {
        _transport.Kill();
        Undo();
        CracRestoredProcess restored;
        try
        {
            restored = Restore.Run(new RestoreRequest { Image = CracImage.Open(_imagePath) });
        }
        catch (CracException e)
        {
            MoveRecords.Remove(_moveId);
            throw new CracException(
                e.Reason,
                $"{failure.Message} The process runs nowhere now: it could not be restored here either: {e.Message}",
                $"{e.RecommendedAction} Its image is whole: Restore-CracProcess '{_imagePath}'.",
                e)
            {
                ImagePath = _imagePath,
                LogPath = e.LogPath,
                CriuLines = e.CriuLines,
            };
        }

        using (restored)
        {
            RemoveImage();
            MoveRecords.Remove(_moveId);
            throw new CracException(failure.Reason, string.Create(CultureInfo.InvariantCulture, $"{failure.Message} It was restored here, as process {restored.Id}."), failure.RecommendedAction, failure)
            {
                ProcessId = restored.Id,
                CriuLines = failure.CriuLines,
                Findings = failure.Findings,
            };
        }
    }

    private void Acknowledge()
    {
        try
        {
            Channel.Send(MoveFrame.End);
        }
        catch (Exception e) when (e is MoveLinkException or ObjectDisposedException)
        {
            // The far side then keeps its record, for whoever asks.
        }
    }

    private void RemoveImage()
    {
        if (StagingFolder.RemoveImage(_imagePath) is not Errno.None and var errno)
        {
            _warnings.Add($"The image {_imagePath} could not be removed: {LibC.Message(errno)}.");
        }
    }

    // While an address of a connection is still here, the kernel would answer its packets by closing it.
    private void RemoveLock()
    {
        if (_network is not { IsInvalid: false } network)
        {
            return;
        }

        // The kernel takes some 20 ms to find that there is no such table.
        using FolderHandle? image = FolderHandle.TryOpen(_imagePath, out _);
        if (image?.ReadNames() is { } names && !names.Exists(static name => name.StartsWith("tcp-stream-", StringComparison.Ordinal) || name.StartsWith("netns-", StringComparison.Ordinal)))
        {
            return;
        }

        IPAddress[] addresses = [.. _plan.Addresses.Select(IPAddress.Parse)];
        bool isHere = NamespaceThread.Run(() => LibC.Enter(network, LibC.CLONE_NEWNET) != 0 || Array.Exists(addresses, LocalAddresses.CanBind));
        if (isHere || image is null)
        {
            _warnings.Add($"The lock of the connections stays here, since {string.Join(", ", _plan.Addresses)} is still an address of this host.");
            return;
        }

        NetworkLockRules.Remove(network, _innerId, image, "dump.log");
    }

    private void Report(CracPhase phase) => _progress?.Report(new CracProgress(phase, 0, 0));

    private void Reach(MoveState state) => _request.Reached?.Invoke(state);

    /// <summary>Notes when the tree is frozen.</summary>
    private sealed class FreezeWatch(MoveRun run) : IProgress<CracProgress>
    {
        public void Report(CracProgress value)
        {
            if (value.Phase == CracPhase.Freezing && run._frozenAt == 0)
            {
                run._frozenAt = Stopwatch.GetTimestamp();
            }

            run._progress?.Report(value);
        }
    }
}
