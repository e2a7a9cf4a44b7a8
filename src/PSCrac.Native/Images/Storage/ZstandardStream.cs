using PSCrac.Interop;

namespace PSCrac.Images.Storage;

/// <summary>Decompresses zstd with the system's libzstd.</summary>
internal sealed unsafe class ZstandardStream : ForwardStream
{
    // A frame states how much memory its decompression takes: 8 MiB up to zstd -19, 32 MiB for --ultra -20, and up to 2 GiB.
    // libzstd's own limit is 128 MiB.
    private const int MaximumWindowLog = 25;

    // ZSTD_error_frameParameter_windowTooLarge of zstd_errors.h.
    private const int WindowTooLarge = 16;
    private readonly Stream _packed;
    private readonly byte[] _input = new byte[64 << 10];
    private readonly ZstdDecompression _state;
    private int _inputSize;
    private int _inputPosition;
    private bool _isInFrame;

    internal ZstandardStream(Stream packed)
    {
        _packed = packed;
        if (!LibZstd.IsInstalled)
        {
            packed.Dispose();
            throw new CracException(
                CracReason.NotAnImage,
                "The archive is compressed with zstd, and libzstd is not installed.",
                "Install libzstd (the package is libzstd1 on Debian and Ubuntu, libzstd on Fedora), or decompress the archive with zstd -d.");
        }

        _state = LibZstd.ZSTD_createDStream();
        LibZstd.ZSTD_DCtx_setParameter(_state, LibZstd.WindowLogMaximum, MaximumWindowLog);
    }

    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_state.IsClosed, this);
        while (!buffer.IsEmpty)
        {
            if (_inputPosition == _inputSize)
            {
                _inputSize = _packed.Read(_input);
                _inputPosition = 0;
            }

            bool atEnd = _inputSize == 0;
            int written = Unpack(buffer);
            if (written > 0)
            {
                return written;
            }

            if (atEnd)
            {
                return _isInFrame ? throw new InvalidDataException("the compressed data ends too early") : 0;
            }
        }

        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _state.Dispose();
            _packed.Dispose();
        }

        base.Dispose(disposing);
    }

    private int Unpack(Span<byte> target)
    {
        fixed (byte* output = target)
        {
            fixed (byte* input = _input)
            {
                var to = new LibZstd.Area { Data = output, Size = (nuint)target.Length };
                var from = new LibZstd.Area { Data = input, Size = (nuint)_inputSize, Position = (nuint)_inputPosition };
                nuint result = LibZstd.ZSTD_decompressStream(_state, &to, &from);
                if (LibZstd.IsError(result))
                {
                    throw new InvalidDataException(LibZstd.ErrorCode(result) == WindowTooLarge
                        ? $"decompressing it takes more memory than the {1 << (MaximumWindowLog - 20)} MiB that are allowed"
                        : LibZstd.ErrorName(result) ?? "the data is not in zstd format");
                }

                // The result is 0 at the end of a frame, and else how much more is wanted: so too before a frame, where nothing was read.
                bool hasMoved = from.Position != (nuint)_inputPosition || to.Position != 0;
                _isInFrame = hasMoved ? result != 0 : _isInFrame;
                _inputPosition = (int)from.Position;
                return (int)to.Position;
            }
        }
    }
}
