using System.Buffers.Binary;
using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Paging;

namespace PSCrac.Moving;

/// <summary>
/// The pages that are sent after the process runs on the far side, from the image here. Each is sent once over a connection: in the order of
/// the files, and before that those that the far side asks for and, in the beginning, what lies around these. What is on the way is bounded by
/// how long the far side takes to say that it came, so that a page that is asked for does not wait behind much else.
/// </summary>
internal sealed partial class MovePages : IDisposable
{
    /// <summary>The file and the offset before the bytes of a frame of pages, and before the length of one that asks for some.</summary>
    internal const int HeadSize = 12;

    private const int WordBits = 64;
    private const int PieceSize = 64 << 10;
    private const int BusyPieceSize = 16 << 10;
    private const int WantedSize = 16 << 10;
    private const int LeastWindow = 256 << 10;
    private const int MostWindow = 16 << 20;
    private const int TickMilliseconds = 1000;

    private static readonly int s_pageSize = Environment.SystemPageSize;
    private static readonly TimeSpan s_calm = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan s_jitter = TimeSpan.FromMilliseconds(0.3);
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(20);

    private readonly List<Part> _parts = [];
    private readonly byte[] _frame = new byte[HeadSize + PieceSize];
    private readonly Queue<(long At, int Length)> _onTheWay = new();
    private long _window = LeastWindow;
    private long _unconfirmed;
    private long _asked;
    private TimeSpan _leastTime = TimeSpan.MaxValue;

    private MovePages()
    {
    }

    /// <summary>Whether all pages were sent, which does not say that they came.</summary>
    internal bool AllSent => _parts.TrueForAll(static part => part.FindUnsent(0) < 0);

    /// <summary>Opens them; null if the image has none that can come later.</summary>
    /// <param name="path">The image's folder, which stays where it is.</param>
    /// <exception cref="CracException">It cannot be read.</exception>
    internal static MovePages? TryOpen(string path)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(path, out _);
        if (folder is null || LazyPagesFile.ReadAll(new DirectoryImageSource(folder)) is not { Count: > 0 } files)
        {
            return null;
        }

        var pages = new MovePages();
        foreach (LazyPagesFile file in files)
        {
            SafeFileHandle handle = folder.OpenToRead(file.Name, out Errno errno);
            pages._parts.Add(new Part(file, handle));
            if (errno != 0)
            {
                pages.Dispose();
                throw new CracException(CracReason.ImageIncomplete, $"{path}/{file.Name} cannot be read: {LibC.Message(errno)}.", "Move the process again.");
            }
        }

        return pages;
    }

    /// <summary>The pages of a file that come later; null if it has none.</summary>
    internal LazyPagesFile? Find(string name) => _parts.Find(part => part.File.Name == name)?.File;

    /// <summary>Receives a frame, and sends the pages that are asked for meanwhile.</summary>
    internal MoveFrame? Receive(MoveChannel channel, TimeSpan limit, Action? check = null)
    {
        if (TakeEarly() is { } early)
        {
            return early;
        }

        while (true)
        {
            MoveFrame? frame = channel.Receive(limit, check);
            if (frame is not (MoveFrame.Want or MoveFrame.Taken))
            {
                return frame;
            }

            Handle(frame.Value, channel);
        }
    }

    /// <summary>Sends the others, until the far side says that all are in.</summary>
    /// <returns>The frame that ended it: <see cref="MoveFrame.Complete"/>, or another.</returns>
    /// <exception cref="MoveLinkException">The connection was closed, or is silent.</exception>
    internal MoveFrame Push(MoveChannel channel)
    {
        long heard = _begun = Stopwatch.GetTimestamp();
        bool hasMore = true;
        while (true)
        {
            bool maySend = hasMore && _unconfirmed < _window;
            if (channel.HasInput(maySend ? 0 : TickMilliseconds))
            {
                heard = Stopwatch.GetTimestamp();
                MoveFrame frame = channel.Receive(s_silence) ?? throw new MoveLinkException("the other side is silent");
                if (frame is not (MoveFrame.Want or MoveFrame.Taken))
                {
                    return frame;
                }

                Handle(frame, channel);
            }
            else if (maySend)
            {
                hasMore = SendNext(channel);
            }
            else if (Stopwatch.GetElapsedTime(heard) > s_silence)
            {
                throw new MoveLinkException("the other side is silent");
            }
        }
    }

    /// <summary>Forgets what was sent over a connection that has ended.</summary>
    internal void Restart()
    {
        _onTheWay.Clear();
        _unconfirmed = 0;
        _early = null;
        _isBroken = false;
        _parts.ForEach(static part => part.Forget());
    }

    /// <summary>Notes ranges that the far side has: a file, an offset and a length each.</summary>
    internal void NoteHeld(ReadOnlySpan<byte> ranges)
    {
        for (; ranges.Length >= HeadSize + sizeof(long); ranges = ranges[(HeadSize + sizeof(long))..])
        {
            uint file = BinaryPrimitives.ReadUInt32LittleEndian(ranges);
            _parts.Find(part => part.File.Id == file)?.NoteSent(
                BinaryPrimitives.ReadInt64LittleEndian(ranges[4..]) / s_pageSize, BinaryPrimitives.ReadInt64LittleEndian(ranges[HeadSize..]) / s_pageSize);
        }
    }

    public void Dispose() => _parts.ForEach(static part => part.Dispose());

    private void Handle(MoveFrame frame, MoveChannel channel)
    {
        ReadOnlySpan<byte> content = channel.Content;
        if (frame == MoveFrame.Taken)
        {
            NoteTaken();
            return;
        }

        if (content.Length < HeadSize)
        {
            throw new MoveLinkException("what came is not the protocol");
        }

        _asked = Stopwatch.GetTimestamp();
        uint file = BinaryPrimitives.ReadUInt32LittleEndian(content);
        long page = BinaryPrimitives.ReadInt64LittleEndian(content[4..]) / s_pageSize;
        if (_parts.Find(part => part.File.Id == file) is { } asked)
        {
            Send(channel, asked, page, WantedSize / s_pageSize);
            NoteAsked(asked, page);
        }
    }

    // As long as the answers come as fast as ever, nothing waits on the way, and more may be on it.
    private void NoteTaken()
    {
        if (!_onTheWay.TryDequeue(out (long At, int Length) first))
        {
            return;
        }

        _unconfirmed -= first.Length;
        TimeSpan time = Stopwatch.GetElapsedTime(first.At);
        _leastTime = time < _leastTime ? time : _leastTime;
        if (time < (_leastTime * 1.2) + s_jitter)
        {
            _window = Math.Min(MostWindow, _window + (first.Length / 8));
        }
        else if (time > (_leastTime * 1.5) + s_jitter)
        {
            _window = Math.Max(LeastWindow, _window - (first.Length / 4));
        }
    }

    private bool SendNext(MoveChannel channel)
    {
        bool isAsked = Stopwatch.GetElapsedTime(_asked) < s_calm;
        if (isAsked && Stopwatch.GetElapsedTime(_begun) < s_beginning && SendAround(channel))
        {
            return true;
        }

        foreach (Part part in _parts)
        {
            if (part.FindUnsent(part.Cursor) is >= 0 and var page)
            {
                part.Cursor = page;
                Send(channel, part, page, (isAsked ? BusyPieceSize : PieceSize) / s_pageSize);
                return true;
            }
        }

        return false;
    }

    private void Send(MoveChannel channel, Part part, long page, int maximum)
    {
        int count = part.CountUnsent(page, maximum);
        if (count == 0)
        {
            return;
        }

        Span<byte> frame = _frame.AsSpan(0, HeadSize + (count * s_pageSize));
        BinaryPrimitives.WriteUInt32LittleEndian(frame, part.File.Id);
        BinaryPrimitives.WriteInt64LittleEndian(frame[4..], page * s_pageSize);
        part.Read(page, frame[HeadSize..]);
        channel.Send(MoveFrame.Pages, frame);
        part.NoteSent(page, count);
        _onTheWay.Enqueue((Stopwatch.GetTimestamp(), frame.Length));
        _unconfirmed += frame.Length;
    }

    /// <summary>A pages file, and which of its pages need not be sent any more.</summary>
    private sealed class Part : IDisposable
    {
        private readonly SafeFileHandle _handle;
        private readonly ulong[] _isSent;

        internal Part(LazyPagesFile file, SafeFileHandle handle)
        {
            File = file;
            _handle = handle;
            _isSent = new ulong[(file.Pages + WordBits - 1) / WordBits];
            Forget();
        }

        internal LazyPagesFile File { get; }

        internal long Cursor { get; set; }

        internal void Forget()
        {
            Cursor = 0;
            Array.Fill(_isSent, ulong.MaxValue);
            foreach (LazyRun run in File.Runs)
            {
                for (long page = run.Page; page < run.Page + run.Count; page++)
                {
                    _isSent[page / WordBits] &= ~(1UL << (int)(page % WordBits));
                }
            }
        }

        internal void NoteSent(long page, long count)
        {
            for (long end = Math.Min(File.Pages, page + count); page >= 0 && page < end; page++)
            {
                _isSent[page / WordBits] |= 1UL << (int)(page % WordBits);
            }
        }

        /// <summary>The first page from here on that was not sent; -1 for none.</summary>
        internal long FindUnsent(long page)
        {
            while (page < File.Pages)
            {
                ulong word = ~_isSent[page / WordBits] & (ulong.MaxValue << (int)(page % WordBits));
                if (word != 0)
                {
                    return (page / WordBits * WordBits) + System.Numerics.BitOperations.TrailingZeroCount(word);
                }

                page = (page / WordBits * WordBits) + WordBits;
            }

            return -1;
        }

        /// <summary>The last page before this one that was not sent; -1 for none.</summary>
        internal long FindUnsentBefore(long page)
        {
            for (page = Math.Min(page, File.Pages) - 1; page >= 0; page = (page / WordBits * WordBits) - 1)
            {
                ulong word = ~_isSent[page / WordBits] & (ulong.MaxValue >> (WordBits - 1 - (int)(page % WordBits)));
                if (word != 0)
                {
                    return (page / WordBits * WordBits) + WordBits - 1 - System.Numerics.BitOperations.LeadingZeroCount(word);
                }
            }

            return -1;
        }

        internal int CountUnsent(long page, int maximum)
        {
            int count = 0;
            while (count < maximum && page >= 0 && page + count < File.Pages && (_isSent[(page + count) / WordBits] & (1UL << (int)((page + count) % WordBits))) == 0)
            {
                count++;
            }

            return count;
        }

        internal void Read(long page, Span<byte> bytes)
        {
            for (long at = page * s_pageSize; bytes.Length > 0;)
            {
                int count = RandomAccess.Read(_handle, bytes, at);
                if (count == 0)
                {
                    throw new CracException(CracReason.ImageIncomplete, $"{File.Name} was cut off.");
                }

                bytes = bytes[count..];
                at += count;
            }
        }

        public void Dispose() => _handle.Dispose();
    }
}
