using PSCrac.Interop;

namespace PSCrac.Archives;

/// <summary>
/// Compresses a stream with libzstd, on several threads where the library has them. At the library's own size of a job, 8 MiB, 16 threads
/// take 235 MB. Jobs are smaller here, the more threads there are, and each sees half a window of what is before it instead of an eighth:
/// memory that repeats at a distance of 1 MiB compresses to less than with the library's own sizes, and in less time.
/// </summary>
internal sealed unsafe class ZstandardWriter : Stream
{
    /// <summary>The highest level whose output is decompressed in 8 MiB; further ones take up to 128 MiB at each reader.</summary>
    internal const int MaximumLevel = 19;

    /// <summary>The level of zstd(1).</summary>
    internal const int DefaultLevel = 3;

    private const int MaximumWorkers = 16;
    private const int LargestJob = 4 << 20;
    private const int AllJobs = 16 << 20;
    private const int HalfWindow = 8;
    private readonly Stream _output;
    private readonly ZstdCompression _context;
    private readonly byte[] _packed = new byte[256 << 10];

    /// <summary>Begins a frame, with a checksum at its end.</summary>
    /// <param name="output">Where it is written to; left open.</param>
    /// <param name="level">From 1 to <see cref="MaximumLevel"/>.</param>
    internal ZstandardWriter(Stream output, int level)
    {
        if (!LibZstd.IsInstalled)
        {
            throw new CracException(
                CracReason.ProgramMissing,
                "libzstd, which compresses the file, is not installed.",
                "Install the package libzstd1 (on Fedora: libzstd), or give -Compression None.");
        }

        _output = output;
        LibC.KeepMapThreshold();
        _context = LibZstd.ZSTD_createCCtx();
        Require(LibZstd.ZSTD_CCtx_setParameter(_context, LibZstd.CompressionLevel, level));
        Require(LibZstd.ZSTD_CCtx_setParameter(_context, LibZstd.ChecksumFlag, 1));
        int workers = Math.Min(MaximumWorkers, Environment.ProcessorCount);
        bool hasThreads = !LibZstd.IsError(LibZstd.ZSTD_CCtx_setParameter(_context, LibZstd.WorkerCount, workers));
        if (hasThreads)
        {
            Require(LibZstd.ZSTD_CCtx_setParameter(_context, LibZstd.JobSize, Math.Min(LargestJob, AllJobs / workers)));
            Require(LibZstd.ZSTD_CCtx_setParameter(_context, LibZstd.OverlapLog, HalfWindow));
        }
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Ends the frame.</summary>
    internal void Complete()
    {
        while (Compress(default, LibZstd.End, out _) != 0)
        {
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            _ = Compress(buffer, LibZstd.Continue, out int taken);
            buffer = buffer[taken..];
        }
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _context.Dispose();
        }

        base.Dispose(disposing);
    }

    private nuint Compress(ReadOnlySpan<byte> content, int operation, out int taken)
    {
        nuint left;
        int written;
        fixed (byte* input = content)
        {
            fixed (byte* output = _packed)
            {
                var from = new LibZstd.Area { Data = input, Size = (nuint)content.Length };
                var to = new LibZstd.Area { Data = output, Size = (nuint)_packed.Length };
                left = Require(LibZstd.ZSTD_compressStream2(_context, &to, &from, operation));
                taken = (int)from.Position;
                written = (int)to.Position;
            }
        }

        _output.Write(_packed, 0, written);
        return left;
    }

    private static nuint Require(nuint result) =>
        LibZstd.IsError(result) ? throw new IOException($"libzstd could not compress the file: {LibZstd.ErrorName(result)}.") : result;
}
