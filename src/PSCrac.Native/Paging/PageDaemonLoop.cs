using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Paging;

/// <summary>
/// The page daemon: it brings the pages of a tree that criu restores without them, those that a thread waits for first, the others in large
/// pieces, and waits in poll(2) when there is nothing to bring. criu's restore hands over a userfaultfd for each task, over the socket that
/// it knows from criu's own daemon (criu/uffd.c). One thread does all of it.
/// </summary>
internal sealed partial class PageDaemonLoop : IDisposable
{
    /// <summary>Exit codes.</summary>
    internal const int AllIn = 0;
    internal const int Ended = 1;
    internal const int PagesLost = 2;

    private const uint RestoreFinished = 0x52535446; // LAZY_PAGES_RESTORE_FINISHED
    private const int PieceSize = 512 << 10;
    private const int BusyPieceSize = 64 << 10;
    private const int TickMilliseconds = 1000;
    private const int LeastRefreshMilliseconds = 50;
    private const int FirstSpace = 4;

    private readonly SafeFileHandle _control;
    private readonly SafeFileHandle _guard;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(PieceSize, pinned: true);
    private readonly PageEvent[] _events = new PageEvent[32];
    private readonly Dictionary<uint, ArrivedPages> _files = [];
    private readonly List<PageSpace> _spaces = [];
    private readonly List<(PageSpace Space, ulong Address)> _waiting = [];
    private readonly List<SafeFileHandle> _received = [];
    private List<ProcessIdentity> _tree = [];
    private PageOrders? _orders;
    private SafeFileHandle? _criu;
    private PageFeed? _feed;
    private LibC.PollDescriptor[] _polled = new LibC.PollDescriptor[16];
    private bool _isSessionGone;
    private bool _isArmed;
    private bool _isFinished;
    private bool _hasMore;
    private bool _mustReadEvents;
    private bool _hasFailed;
    private long _lastArrival;
    private long _refreshAt = long.MaxValue;
    private int _next;

    internal PageDaemonLoop(SafeFileHandle control, SafeFileHandle guard)
    {
        _control = control;
        _guard = guard;
    }

    private bool HasFeed => _orders?.FeedListener is not null;

    /// <summary>Runs it until all pages are in, or the restore has failed.</summary>
    /// <returns>The exit code.</returns>
    internal int Run()
    {
        byte[] message = new byte[PageOrders.MaximumLength];
        int length = LibC.ReceiveDescriptors(_control, message, _received);
        _orders = PageOrders.Read(message.AsSpan(0, Math.Max(0, length)), _received);
        if (_orders is null)
        {
            return Ended;
        }

        while (true)
        {
            int polled = Wait();
            HandleEvents(polled);
            if (_hasFailed || (_isSessionGone && !_isArmed))
            {
                return Ended;
            }

            ResolveWaiting();
            if (_isFinished)
            {
                Bring();
            }

            RefreshTree();
            if (_feed?.Flush() == false)
            {
                CloseFeed();
            }

            if (FindEnd() is { } code)
            {
                return code;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => CloseFeed();

    // The first descriptors are the control socket, criu's, the feed's listener and the feed; the spaces follow.
    private int Wait()
    {
        int count = FirstSpace + _spaces.Count;
        if (_polled.Length < count)
        {
            Array.Resize(ref _polled, count * 2);
        }

        _polled[0] = Wanted(_isSessionGone ? null : _control);
        _polled[1] = Wanted(_criu ?? (_isFinished ? null : _orders!.CriuListener));
        _polled[2] = Wanted(_orders!.FeedListener);
        _polled[3] = Wanted(_feed?.Connection);
        _polled[3].Events |= _feed is { HasUnsent: true } ? LibC.PollDescriptor.Writable : (short)0;
        for (int i = 0; i < _spaces.Count; i++)
        {
            _polled[FirstSpace + i] = Wanted(_spaces[i].Faults);
        }

        int timeout = _mustReadEvents ? 1 : !_isFinished ? -1 : _hasMore ? 0 : TickMilliseconds;
        timeout = _refreshAt == long.MaxValue ? timeout : Math.Clamp((int)(_refreshAt - Environment.TickCount64), 0, timeout < 0 ? int.MaxValue : timeout);
        if (LibC.Poll(_polled.AsSpan(0, count), timeout) != 0)
        {
            // Interrupted.
            return 0;
        }

        return count;
    }

    private static LibC.PollDescriptor Wanted(SafeFileHandle? handle) => new()
    {
        Descriptor = handle is null ? -1 : (int)handle.DangerousGetHandle(),
        Events = LibC.PollDescriptor.Readable,
    };

    private void HandleEvents(int polled)
    {
        _mustReadEvents = false;

        // New spaces are added behind.
        for (int i = FirstSpace; i < polled; i++)
        {
            if (_polled[i].Returned != 0)
            {
                ReadEvents(_spaces[i - FirstSpace]);
            }
        }

        if (polled == 0)
        {
            return;
        }

        if (_polled[0].Returned != 0)
        {
            ReadControl();
        }

        if (_polled[1].Returned != 0)
        {
            ReadCriu();
        }

        if (_polled[3].Returned != 0 && _feed is { } feed && !feed.Receive(TakeArrived))
        {
            CloseFeed();
        }

        if (_polled[2].Returned != 0)
        {
            AcceptFeed();
        }
    }

    private void ReadEvents(PageSpace space)
    {
        int count = LibC.ReadPageEvents(space.Faults, _events, out _);
        for (int i = 0; i < count; i++)
        {
            PageEvent told = _events[i];
            switch (told.Kind)
            {
                case PageEventKind.Fault:
                    _waiting.Add((space, told.FaultAddress));
                    break;
                case PageEventKind.Fork:
                    AddSpace(space.Fork(new SafeFileHandle(told.Child, ownsHandle: true)));
                    _refreshAt = Math.Min(_refreshAt, Environment.TickCount64 + LeastRefreshMilliseconds);
                    break;
                case PageEventKind.Remap:
                    space.Move(told.First, told.Second, told.Third);
                    break;
                case PageEventKind.Remove or PageEventKind.Unmap:
                    space.Drop(told.First, told.Second);
                    break;
            }
        }
    }

    private void AddSpace(PageSpace space)
    {
        // The guard has it before anything else happens.
        LibC.SendDescriptors(_guard, [PageGuard.Faults], space.Faults);
        _spaces.Add(space);
    }

    // A forked process may have become a child of init when the tree has to be killed.
    private void RefreshTree()
    {
        if (Environment.TickCount64 < _refreshAt || !_isArmed)
        {
            return;
        }

        _refreshAt = long.MaxValue;
        HashSet<ProcessIdentity> all = PageGuard.FindAll(_tree);
        all.ExceptWith(_tree);
        if (all.Count > 0)
        {
            AddToTree([.. all]);
        }
    }

    private void ResolveWaiting()
    {
        for (int i = 0; i < _waiting.Count; i++)
        {
            (PageSpace space, ulong address) = _waiting[i];
            switch (space.Resolve(address, _buffer, out long page))
            {
                case PageResult.Again:
                    _mustReadEvents = true;
                    continue;
                case PageResult.Missing:
                    if (_feed is not null && space.Pages!.Want(page))
                    {
                        _feed.Send(new PageFeedMessage(PageFeedKind.Wanted, space.Pages.Layout.Id, page * Environment.SystemPageSize, Environment.SystemPageSize));
                    }

                    continue;
                case PageResult.Gone:
                    RemoveSpace(space);
                    i = -1;
                    continue;
                case PageResult.Failed:
                    _hasFailed = true;
                    return;
            }

            _waiting[i--] = _waiting[^1];
            _waiting.RemoveAt(_waiting.Count - 1);
        }
    }

    // One piece, of the next space that lacks some.
    private void Bring()
    {
        _hasMore = false;
        int size = _waiting.Count > 0 ? BusyPieceSize : PieceSize;
        for (int i = 0; i < _spaces.Count; i++)
        {
            PageSpace space = _spaces[_next++ % _spaces.Count];
            if (space.Left == 0)
            {
                continue;
            }

            PageResult result = space.BringNext(_buffer.AsSpan(0, size), out bool hasMore);
            _hasMore |= hasMore;
            _mustReadEvents |= result == PageResult.Again;
            _hasFailed |= result == PageResult.Failed;
            if (result == PageResult.Gone)
            {
                RemoveSpace(space);
                _hasMore = true;
                return;
            }

            if (hasMore)
            {
                return;
            }
        }
    }

    private void RemoveSpace(PageSpace space)
    {
        _spaces.Remove(space);
        _waiting.RemoveAll(each => each.Space == space);
        space.Dispose();
    }

    private int? FindEnd()
    {
        if (!_isFinished || !_isArmed)
        {
            return null;
        }

        long left = 0;
        foreach (PageSpace space in _spaces)
        {
            left += space.Left;
        }

        foreach (ArrivedPages pages in _files.Values)
        {
            left += _orders!.KeepsImage ? pages.Left : 0;
        }

        if (left == 0)
        {
            return End(PageFeedKind.Completed, PageOrders.CompletedSuffix, AllIn);
        }

        if (!HasFeed || Environment.TickCount64 - _lastArrival < TickMilliseconds)
        {
            return null;
        }

        foreach (PageSpace space in _spaces.FindAll(static space => space.HasEnded()))
        {
            RemoveSpace(space);
        }

        if (Environment.TickCount64 - _lastArrival < _orders!.SilenceMilliseconds || _files.Values.All(static pages => pages.Left == 0))
        {
            return null;
        }

        PageGuard.Kill(_tree);
        return End(PageFeedKind.Lost, PageOrders.LostSuffix, PagesLost);
    }

    private int End(PageFeedKind told, string suffix, int code)
    {
        const int LastMilliseconds = 1000;
        _orders!.WriteOutcome(suffix);
        LibC.SendBlocking(_guard, [PageGuard.Released]);
        _feed?.Send(new PageFeedMessage(told, 0, 0, 0));
        long end = Environment.TickCount64 + LastMilliseconds;
        while (_feed is { HasUnsent: true } feed && feed.Flush() && Environment.TickCount64 < end)
        {
            Thread.Sleep(1);
        }

        return code;
    }
}
