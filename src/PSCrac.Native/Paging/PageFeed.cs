using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Paging;

/// <summary>What the daemon tells whoever brings it pages.</summary>
internal enum PageFeedKind
{
    /// <summary>These bytes are there already.</summary>
    Held = 1,

    /// <summary>Nothing else is there.</summary>
    Listed,

    /// <summary>A thread waits for these bytes.</summary>
    Wanted,

    /// <summary>All pages are in.</summary>
    Completed,

    /// <summary>The tree was ended, since pages did not come.</summary>
    Lost,
}

/// <summary>A message of the daemon: 24 bytes in little endian.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct PageFeedMessage(PageFeedKind Kind, uint File, long Offset, long Length)
{
    internal const int Size = 24;

    internal void Write(Span<byte> target)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, (int)Kind);
        BinaryPrimitives.WriteUInt32LittleEndian(target[4..], File);
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], Offset);
        BinaryPrimitives.WriteInt64LittleEndian(target[16..], Length);
    }

    internal static PageFeedMessage Read(ReadOnlySpan<byte> source) => new(
        (PageFeedKind)BinaryPrimitives.ReadInt32LittleEndian(source),
        BinaryPrimitives.ReadUInt32LittleEndian(source[4..]),
        BinaryPrimitives.ReadInt64LittleEndian(source[8..]),
        BinaryPrimitives.ReadInt64LittleEndian(source[16..]));
}

/// <summary>
/// The daemon's end of the connection to whoever brings it pages. What comes is a head of 16 bytes, the file, the length and the offset in
/// little endian, and the bytes. Nothing here waits.
/// </summary>
internal sealed class PageFeed(SafeFileHandle connection) : IDisposable
{
    internal const int HeadSize = 16;

    /// <summary>The most bytes that come at once.</summary>
    internal const int MaximumPart = 1 << 20;

    private readonly byte[] _received = new byte[HeadSize + MaximumPart];
    private byte[] _unsent = new byte[4096];
    private int _unsentLength;
    private int _length;

    internal SafeFileHandle Connection { get; } = connection;

    /// <summary>Whether something waits to be sent.</summary>
    internal bool HasUnsent => _unsentLength > 0;

    /// <summary>Receives what has come.</summary>
    /// <param name="arrived">Called for pages that came whole; false if they are not wanted.</param>
    /// <returns>False if the connection has ended, or what came is wrong.</returns>
    internal bool Receive(Arrived arrived)
    {
        int count = LibC.Read(Connection, _received.AsSpan(_length), out Errno errno);
        if (count <= 0)
        {
            return errno == Errno.EAGAIN;
        }

        _length += count;
        int at = 0;
        while (_length - at >= HeadSize)
        {
            ReadOnlySpan<byte> head = _received.AsSpan(at, HeadSize);
            int length = BinaryPrimitives.ReadInt32LittleEndian(head[4..]);
            if (length is < 0 or > MaximumPart)
            {
                return false;
            }

            if (_length - at < HeadSize + length)
            {
                break;
            }

            if (!arrived(BinaryPrimitives.ReadUInt32LittleEndian(head), BinaryPrimitives.ReadInt64LittleEndian(head[8..]), _received.AsSpan(at + HeadSize, length)))
            {
                return false;
            }

            at += HeadSize + length;
        }

        _received.AsSpan(at, _length - at).CopyTo(_received);
        _length -= at;
        return true;
    }

    /// <summary>Sends a message now or, if the other side does not read, later.</summary>
    internal void Send(PageFeedMessage message)
    {
        if (_unsent.Length - _unsentLength < PageFeedMessage.Size)
        {
            Array.Resize(ref _unsent, _unsent.Length * 2);
        }

        message.Write(_unsent.AsSpan(_unsentLength));
        _unsentLength += PageFeedMessage.Size;
    }

    /// <summary>Sends what waits to be sent, as far as the other side takes it.</summary>
    /// <returns>False if the connection has ended.</returns>
    internal bool Flush()
    {
        while (_unsentLength > 0)
        {
            int count = LibC.Write(Connection, _unsent.AsSpan(0, _unsentLength), out Errno errno);
            if (count <= 0)
            {
                return errno == Errno.EAGAIN;
            }

            _unsent.AsSpan(count, _unsentLength - count).CopyTo(_unsent);
            _unsentLength -= count;
        }

        return true;
    }

    public void Dispose() => Connection.Dispose();

    /// <summary>Takes pages that came.</summary>
    internal delegate bool Arrived(uint file, long offset, ReadOnlySpan<byte> bytes);
}
