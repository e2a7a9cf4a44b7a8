using System.Buffers.Binary;
using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Paging;

namespace PSCrac.Moving;

/// <summary>
/// The far side's traffic with lazy pages: one thread takes what the near side sends, pages for the daemon and frames for whoever waits for
/// them; another one passes on what the daemon says.
/// </summary>
internal sealed class MovePageReceiver : IDisposable
{
    private const int RangeSize = MovePages.HeadSize + sizeof(long);
    private const int MaximumRanges = 10_000;
    private const int SliceMilliseconds = 20;
    private const int ReconnectMilliseconds = 10;

    private readonly MoveChannel _channel;
    private readonly Func<SafeFileHandle?> _connect;
    private readonly Action? _broken;
    private readonly BlockingCollection<MoveFrame> _frames = [];
    private readonly TaskCompletionSource<PageFeedKind?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<byte> _held = [];
    private volatile SafeFileHandle? _feed;
    private volatile bool _isStopped;

    /// <summary>Starts.</summary>
    /// <param name="channel">The connection to the near side.</param>
    /// <param name="connect">Connects to the daemon; null where there is none any more.</param>
    /// <param name="listsHeld">Whether the near side is told first which pages are there.</param>
    /// <param name="broken">Called when the connection to the near side has ended.</param>
    internal MovePageReceiver(MoveChannel channel, Func<SafeFileHandle?> connect, bool listsHeld, Action? broken)
    {
        _channel = channel;
        _connect = connect;
        _broken = broken;
        _feed = connect();
        new Thread(() => PassOn(listsHeld)) { IsBackground = true, Name = "move pages asked for" }.Start();
        new Thread(Take) { IsBackground = true, Name = "move link" }.Start();
    }

    /// <summary>Whether the connection to the near side has ended.</summary>
    internal bool IsLinkBroken => _frames.IsAddingCompleted;

    /// <summary>What the daemon said last: <see cref="PageFeedKind.Completed"/> or <see cref="PageFeedKind.Lost"/>; null if either connection ended before.</summary>
    internal Task<PageFeedKind?> Ended => _ended.Task;

    /// <summary>Receives a frame that brings no pages.</summary>
    /// <exception cref="MoveLinkException">The connection was closed.</exception>
    internal MoveFrame? Receive(TimeSpan limit, Action? check = null)
    {
        long end = limit == Timeout.InfiniteTimeSpan ? long.MaxValue : Environment.TickCount64 + (long)limit.TotalMilliseconds;
        MoveFrame frame;
        while (!_frames.TryTake(out frame, SliceMilliseconds))
        {
            check?.Invoke();
            if (_frames.IsCompleted)
            {
                throw new MoveLinkException("the connection was closed");
            }

            if (Environment.TickCount64 > end)
            {
                return null;
            }
        }

        return frame;
    }

    public void Dispose()
    {
        _isStopped = true;
        _feed?.Dispose();
    }

    private void Take()
    {
        byte[] head = new byte[PageFeed.HeadSize];
        try
        {
            while (true)
            {
                MoveFrame frame = _channel.Receive(Timeout.InfiniteTimeSpan)!.Value;
                if (frame != MoveFrame.Pages)
                {
                    _frames.Add(frame);
                    continue;
                }

                ReadOnlySpan<byte> content = _channel.Content;
                if (content.Length < MovePages.HeadSize)
                {
                    throw new MoveLinkException("what came is not the protocol");
                }

                content[..4].CopyTo(head);
                BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(4), content.Length - MovePages.HeadSize);
                content[4..MovePages.HeadSize].CopyTo(head.AsSpan(8));

                // Where the daemon has gone, whoever passes on what it says finds out.
                if (_feed is { } feed && TryWrite(feed, head))
                {
                    TryWrite(feed, content[MovePages.HeadSize..]);
                }

                _channel.Send(MoveFrame.Taken);
            }
        }
        catch (MoveLinkException)
        {
            _frames.CompleteAdding();
            _ended.TrySetResult(null);
            _broken?.Invoke();
        }
    }

    private static bool TryWrite(SafeFileHandle feed, ReadOnlySpan<byte> bytes)
    {
        try
        {
            while (bytes.Length > 0)
            {
                int count = LibC.Write(feed, bytes, out _);
                if (count <= 0)
                {
                    return false;
                }

                bytes = bytes[count..];
            }

            return true;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }

    private void PassOn(bool listsHeld)
    {
        byte[] buffer = new byte[PageFeedMessage.Size];
        try
        {
            while (true)
            {
                if (_feed is not { } feed || !TryRead(feed, buffer))
                {
                    // A restore that is begun again has another daemon.
                    if (_isStopped || listsHeld || _connect() is not { } next)
                    {
                        _ended.TrySetResult(null);
                        return;
                    }

                    Thread.Sleep(ReconnectMilliseconds);
                    _feed?.Dispose();
                    _feed = next;
                    continue;
                }

                var message = PageFeedMessage.Read(buffer);
                switch (message.Kind)
                {
                    case PageFeedKind.Held or PageFeedKind.Listed when listsHeld:
                        List(message);
                        break;
                    case PageFeedKind.Wanted:
                        byte[] asked = new byte[MovePages.HeadSize];
                        BinaryPrimitives.WriteUInt32LittleEndian(asked, message.File);
                        BinaryPrimitives.WriteInt64LittleEndian(asked.AsSpan(4), message.Offset);
                        _channel.Send(MoveFrame.Want, asked);
                        break;
                    case PageFeedKind.Completed or PageFeedKind.Lost:
                        _ended.TrySetResult(message.Kind);
                        return;
                }
            }
        }
        catch (Exception e) when (e is MoveLinkException or ObjectDisposedException)
        {
            _ended.TrySetResult(null);
        }
    }

    private static bool TryRead(SafeFileHandle feed, Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int count = LibC.Read(feed, bytes, out _);
            if (count <= 0)
            {
                return false;
            }

            bytes = bytes[count..];
        }

        return true;
    }

    private void List(PageFeedMessage message)
    {
        if (message.Kind == PageFeedKind.Held)
        {
            Span<byte> range = stackalloc byte[RangeSize];
            BinaryPrimitives.WriteUInt32LittleEndian(range, message.File);
            BinaryPrimitives.WriteInt64LittleEndian(range[4..], message.Offset);
            BinaryPrimitives.WriteInt64LittleEndian(range[MovePages.HeadSize..], message.Length);
            _held.AddRange(range);
        }

        if (message.Kind == PageFeedKind.Listed || _held.Count >= MaximumRanges * RangeSize)
        {
            _channel.Send(MoveFrame.Held, [.. _held]);
            _held.Clear();
        }

        if (message.Kind == PageFeedKind.Listed)
        {
            _channel.Send(MoveFrame.Attached);
        }
    }
}
