using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using PSCrac.Images.Storage;

namespace PSCrac.Archives;

/// <summary>Reads a stream on a thread of its own, some buffers ahead: the archive is decompressed while the image is written.</summary>
internal sealed class ReadAheadStream : ForwardStream
{
    private const int BufferSize = 1 << 20;
    private const int BufferCount = 4;
    private readonly Stream _source;
    private readonly CancellationTokenSource _stopping;
    private readonly BlockingCollection<byte[]> _empty = new(BufferCount);
    private readonly BlockingCollection<(byte[] Buffer, int Length)> _full = new(BufferCount);
    private readonly Thread _thread;
    private ExceptionDispatchInfo? _failure;
    private byte[]? _current;
    private int _length;
    private int _position;

    /// <summary>Starts the thread.</summary>
    /// <param name="source">The stream; closed with this one.</param>
    /// <param name="cancellation">Ends waits for it.</param>
    internal ReadAheadStream(Stream source, CancellationToken cancellation)
    {
        _source = source;
        _stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        for (int i = 0; i < BufferCount; i++)
        {
            _empty.Add(ArrayPool<byte>.Shared.Rent(BufferSize), CancellationToken.None);
        }

        _thread = new Thread(Fill) { IsBackground = true, Name = "archive" };
        _thread.Start();
    }

    public override int Read(Span<byte> buffer)
    {
        if (_position == _length && !TakeNext())
        {
            return 0;
        }

        int count = Math.Min(buffer.Length, _length - _position);
        _current.AsSpan(_position, count).CopyTo(buffer);
        _position += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stopping.Cancel();
            _thread.Join();
            ReturnBuffers();
            _source.Dispose();
            _stopping.Dispose();
            _empty.Dispose();
            _full.Dispose();
        }

        base.Dispose(disposing);
    }

    // Imports follow one another: new buffers of this size would be garbage that is not collected for long.
    private void ReturnBuffers()
    {
        if (_current is not null)
        {
            ArrayPool<byte>.Shared.Return(_current);
            _current = null;
        }

        while (_empty.TryTake(out byte[]? buffer))
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        while (_full.TryTake(out (byte[] Buffer, int Length) filled))
        {
            ArrayPool<byte>.Shared.Return(filled.Buffer);
        }
    }

    private bool TakeNext()
    {
        if (_current is not null)
        {
            _empty.Add(_current, _stopping.Token);
            _current = null;
        }

        if (_full.TryTake(out (byte[] Buffer, int Length) next, Timeout.Infinite, _stopping.Token))
        {
            (_current, _length, _position) = (next.Buffer, next.Length, 0);
            return true;
        }

        (_length, _position) = (0, 0);
        _failure?.Throw();
        return false;
    }

    private void Fill()
    {
        try
        {
            while (true)
            {
                byte[] buffer = _empty.Take(_stopping.Token);
                int length = _source.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
                if (length > 0)
                {
                    _full.Add((buffer, length), _stopping.Token);
                }

                if (length < buffer.Length)
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The reader has ended.
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }
        finally
        {
            _full.CompleteAdding();
        }
    }
}
