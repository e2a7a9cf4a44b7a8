using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Memory;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Paging;

// What comes from the session, from criu, and from whoever brings pages.
internal sealed partial class PageDaemonLoop
{
    private void ReadControl()
    {
        byte[] message = new byte[PageOrders.MaximumLength];
        int length = LibC.Receive(_control, message);
        if (length <= 0 || message[0] != PageGuard.Tree)
        {
            _isSessionGone = true;
            return;
        }

        AddToTree(PageGuard.ReadTree(message.AsSpan(1, length - 1)));
        _isArmed = true;
        LibC.Send(_control, [PageGuard.Tree]);
    }

    private void AddToTree(IReadOnlyList<ProcessIdentity> processes)
    {
        _tree.AddRange(processes);
        foreach (ProcessIdentity[] part in processes.Chunk(PageGuard.MaximumIdentities))
        {
            LibC.SendBlocking(_guard, PageGuard.WriteTree(part));
        }
    }

    // A pid of 4 bytes and, for a task that has memory, a byte with its userfaultfd; at the end a number that is no pid.
    private void ReadCriu()
    {
        if (_criu is null)
        {
            _criu = LibC.Accept(_orders!.CriuListener, waits: true, out Errno errno);
            if (errno != 0)
            {
                _hasFailed = true;
            }

            return;
        }

        Span<byte> word = stackalloc byte[sizeof(int)];
        int length = LibC.ReceiveBlocking(_criu, word);
        if (length != word.Length)
        {
            // Where it has not said that it is finished, the restore has failed.
            _hasFailed = !_isFinished;
            _criu.Dispose();
            _criu = null;
            return;
        }

        int pid = BinaryPrimitives.ReadInt32LittleEndian(word);
        if ((uint)pid == RestoreFinished)
        {
            _isFinished = true;
            _hasMore = true;
            _lastArrival = Environment.TickCount64;
        }
        else if (pid > 0)
        {
            _received.Clear();
            LibC.ReceiveDescriptors(_criu, word[..1], _received);
            if (_received.Count == 1)
            {
                AddSpace(PageSpace.Create(_received[0], OpenPages(pid)));
            }
        }
    }

    private ArrivedPages? OpenPages(int pid)
    {
        FolderHandle images = _orders!.Images;
        if (PageMap.Read(new DirectoryImageSource(images), PageMap.NameFor(pid)) is not { PresentPages: > 0 } map)
        {
            return null;
        }

        if (_files.TryGetValue(map.PagesId, out ArrivedPages? pages))
        {
            return pages;
        }

        LazyPagesFile layout = LazyPagesFile.Find(map);
        if (HasFeed)
        {
            SafeFileHandle file = images.Open(layout.Name, LibC.O_RDWR, out Errno errno);
            _hasFailed |= errno != 0;
            pages = new ArrivedPages(file, layout);
        }
        else
        {
            pages = new ArrivedPages(map.OpenPages(isWhole: true), layout);
        }

        _files.Add(layout.Id, pages);
        return pages;
    }

    private void AcceptFeed()
    {
        SafeFileHandle connection = LibC.Accept(_orders!.FeedListener!, waits: false, out Errno errno);
        if (errno != 0)
        {
            connection.Dispose();
            return;
        }

        // The newest counts: the other side of an older one may be gone without a word.
        CloseFeed();
        _feed = new PageFeed(connection);
        foreach ((uint id, ArrivedPages pages) in _files)
        {
            foreach ((long page, long count) in pages.Held())
            {
                _feed.Send(new PageFeedMessage(PageFeedKind.Held, id, page * Environment.SystemPageSize, count * Environment.SystemPageSize));
            }
        }

        _feed.Send(new PageFeedMessage(PageFeedKind.Listed, 0, 0, 0));
    }

    private void CloseFeed()
    {
        _feed?.Dispose();
        _feed = null;
        foreach (ArrivedPages pages in _files.Values)
        {
            pages.ForgetWants();
        }
    }

    private bool TakeArrived(uint file, long offset, ReadOnlySpan<byte> bytes)
    {
        _lastArrival = Environment.TickCount64;
        if (!_files.TryGetValue(file, out ArrivedPages? pages))
        {
            return true;
        }

        if (!pages.Contains(offset, bytes.Length))
        {
            return false;
        }

        // Before criu has finished, an area may not be where it belongs.
        long first = offset / Environment.SystemPageSize;
        bool isLacked = !_isFinished;
        foreach (PageSpace space in _spaces)
        {
            if (space.Pages == pages && (!_isFinished || !space.Bring(first, bytes)))
            {
                isLacked = true;
                space.LookFrom(first);
                _hasMore = true;
            }
        }

        _hasFailed |= !pages.Arrive(offset, bytes, writes: isLacked || _orders!.KeepsImage);
        return !_hasFailed;
    }
}
