using System.Buffers.Binary;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Moving;

/// <summary>The connection to the other side of a move was closed, or what came over it is not the protocol.</summary>
internal sealed class MoveLinkException(string message) : IOException(message);

/// <summary>
/// The frames that the two sides of a move exchange over two descriptors, usually pipes: a byte for the kind, four for the length, in little
/// endian, and the content. One thread receives at a time; several may send.
/// </summary>
internal sealed class MoveChannel : IDisposable
{
    private const int HeaderLength = 5;
    private const int MaximumNoise = 1 << 16;
    private const int SliceMilliseconds = 20;

    private readonly SafeFileHandle _input;
    private readonly SafeFileHandle _output;
    private readonly Lock _sending = new();
    private readonly byte[] _header = new byte[HeaderLength];
    private byte[] _content = new byte[4096];
    private int _length;

    /// <summary>Takes over two descriptors.</summary>
    /// <param name="input">What the other side writes.</param>
    /// <param name="output">What the other side reads.</param>
    internal MoveChannel(SafeFileHandle input, SafeFileHandle output)
    {
        _input = input;
        _output = output;
    }

    /// <summary>The bytes sent so far.</summary>
    internal long BytesSent { get; private set; }

    /// <summary>The content of the frame that was received last.</summary>
    internal ReadOnlySpan<byte> Content => _content.AsSpan(0, _length);

    /// <summary>Whether something can be received, which may be that the connection was closed.</summary>
    internal bool HasInput(int milliseconds) => LibC.WaitReadable(_input, milliseconds);

    /// <summary>Sends what the other side waits for before the first frame.</summary>
    internal void SendGreeting() => Write(MoveProtocol.Greeting);

    /// <summary>Skips what comes before the greeting, and the greeting.</summary>
    /// <param name="limit">The longest wait.</param>
    /// <param name="check">Called while nothing comes; ends the wait by throwing.</param>
    /// <exception cref="MoveLinkException">The connection was closed, or no greeting came.</exception>
    internal void ReceiveGreeting(TimeSpan limit, Action? check)
    {
        long start = Stopwatch.GetTimestamp();
        int matched = 0;
        Span<byte> one = stackalloc byte[1];
        for (int count = 0; matched < MoveProtocol.Greeting.Length; count++)
        {
            if (count > MaximumNoise || !TryFill(one, start, limit, check))
            {
                throw new MoveLinkException("no greeting came");
            }

            matched = one[0] == MoveProtocol.Greeting[matched] ? matched + 1 : one[0] == MoveProtocol.Greeting[0] ? 1 : 0;
        }
    }

    /// <summary>Sends a frame without content.</summary>
    /// <exception cref="MoveLinkException">The connection was closed.</exception>
    internal void Send(MoveFrame frame) => Send(frame, []);

    /// <summary>Sends a frame.</summary>
    /// <exception cref="MoveLinkException">The connection was closed.</exception>
    internal void Send(MoveFrame frame, ReadOnlySpan<byte> content)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        header[0] = (byte)frame;
        BinaryPrimitives.WriteInt32LittleEndian(header[1..], content.Length);
        lock (_sending)
        {
            Write(header);
            Write(content);
        }
    }

    /// <summary>Sends a frame with a message.</summary>
    /// <exception cref="MoveLinkException">The connection was closed.</exception>
    internal void Send<T>(MoveFrame frame, T message, JsonTypeInfo<T> type) => Send(frame, JsonSerializer.SerializeToUtf8Bytes(message, type));

    /// <summary>Receives a frame.</summary>
    /// <param name="limit">The longest wait; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="check">Called several times a second while nothing comes; ends the wait by throwing. Null for nothing.</param>
    /// <returns>The frame; null if none came in time.</returns>
    /// <exception cref="MoveLinkException">The connection was closed, or what came is no frame.</exception>
    internal MoveFrame? Receive(TimeSpan limit, Action? check = null)
    {
        long start = Stopwatch.GetTimestamp();
        _length = 0;
        if (!TryFill(_header, start, limit, check))
        {
            return null;
        }

        int length = BinaryPrimitives.ReadInt32LittleEndian(_header.AsSpan(1));
        if (length is < 0 or > MoveProtocol.MaximumFrame || !Enum.IsDefined((MoveFrame)_header[0]))
        {
            throw new MoveLinkException("what came is not the protocol");
        }

        if (_content.Length < length)
        {
            _content = new byte[length];
        }

        if (!TryFill(_content.AsSpan(0, length), start, limit, check))
        {
            return null;
        }

        _length = length;
        return (MoveFrame)_header[0];
    }

    /// <summary>The message of the frame that was received last.</summary>
    /// <exception cref="MoveLinkException">It is none.</exception>
    internal T Message<T>(JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(Content, type) ?? throw new MoveLinkException("a message is empty");
        }
        catch (JsonException)
        {
            throw new MoveLinkException("a message cannot be read");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _output.Dispose();
        _input.Dispose();
    }

    // What was read of a frame that did not come whole in time is lost: after that nothing more is received.
    private bool TryFill(Span<byte> bytes, long start, TimeSpan limit, Action? check)
    {
        while (bytes.Length > 0)
        {
            while (!LibC.WaitReadable(_input, SliceMilliseconds))
            {
                check?.Invoke();
                if (limit != Timeout.InfiniteTimeSpan && Stopwatch.GetElapsedTime(start) > limit)
                {
                    return false;
                }
            }

            int count = LibC.Read(_input, bytes, out Errno errno);
            if (count <= 0)
            {
                throw new MoveLinkException(count == 0 ? "the connection was closed" : LibC.Message(errno));
            }

            bytes = bytes[count..];
        }

        return true;
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            int count = LibC.Write(_output, bytes, out Errno errno);
            if (count < 0)
            {
                throw new MoveLinkException(LibC.Message(errno));
            }

            bytes = bytes[count..];
            BytesSent += count;
        }
    }
}
