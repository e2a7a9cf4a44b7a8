using System.Runtime.InteropServices;

namespace PSCrac.Images.Storage;

/// <summary>
/// Decompresses zstd with the system's libzstd: .NET 10 has no zstd support.
/// The calls follow zstd.h: a stream object, and buffers with pointer, size and position.
/// </summary>
internal sealed unsafe class ZstandardStream : Stream
{
    private const string Library = "libzstd.so.1";

    // ZSTD_d_windowLogMax. A frame states how much memory its decompression takes: 8 MiB up to zstd -19, 32 MiB for --ultra -20,
    // and up to 2 GiB. libzstd's own limit is 128 MiB.
    private const int WindowLogMaximum = 100;
    private const int MaximumWindowLog = 25;

    // ZSTD_error_frameParameter_windowTooLarge of zstd_errors.h.
    private const int WindowTooLarge = 16;
    private static readonly Api? s_api = Api.Load();
    private readonly Stream _packed;
    private readonly byte[] _input = new byte[64 << 10];
    private nint _state;
    private nuint _inputSize;
    private nuint _inputPosition;

    internal ZstandardStream(Stream packed)
    {
        _packed = packed;
        if (s_api is null)
        {
            packed.Dispose();
            throw new CracException(
                CracReason.NotAnImage,
                "The archive is compressed with zstd, and libzstd is not installed.",
                "Install libzstd (the package is libzstd1 on Debian and Ubuntu, libzstd on Fedora), or decompress the archive with zstd -d.");
        }

        _state = s_api.Create();
        s_api.SetParameter(_state, WindowLogMaximum, MaximumWindowLog);
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_state == 0, this);
        while (!buffer.IsEmpty)
        {
            if (_inputPosition == _inputSize)
            {
                _inputSize = (nuint)_packed.Read(_input);
                _inputPosition = 0;
            }

            bool atEnd = _inputSize == 0;
            nuint written = Unpack(buffer);
            if (written > 0)
            {
                return (int)written;
            }

            if (atEnd)
            {
                return 0;
            }
        }

        return 0;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (_state != 0)
        {
            s_api!.Free(_state);
            _state = 0;
        }

        if (disposing)
        {
            _packed.Dispose();
        }

        base.Dispose(disposing);
    }

    private nuint Unpack(Span<byte> target)
    {
        fixed (byte* output = target)
        {
            fixed (byte* input = _input)
            {
                var to = new ZstdBuffer { Data = output, Size = (nuint)target.Length };
                var from = new ZstdBuffer { Data = input, Size = _inputSize, Position = _inputPosition };
                nuint result = s_api!.Decompress(_state, &to, &from);
                if (s_api.IsError(result) != 0)
                {
                    throw new InvalidDataException(s_api.ErrorCode(result) == WindowTooLarge
                        ? $"decompressing it takes more memory than the {1 << (MaximumWindowLog - 20)} MiB that are allowed"
                        : Marshal.PtrToStringUTF8(s_api.ErrorName(result)) ?? "the data is not in zstd format");
                }

                _inputPosition = from.Position;
                return to.Position;
            }
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ZstdBuffer
    {
        internal byte* Data;
        internal nuint Size;
        internal nuint Position;
    }

    private sealed class Api
    {
        internal required delegate* unmanaged<nint> Create { get; init; }

        internal required delegate* unmanaged<nint, int, int, nuint> SetParameter { get; init; }

        internal required delegate* unmanaged<nuint, int> ErrorCode { get; init; }

        internal required delegate* unmanaged<nint, nuint> Free { get; init; }

        internal required delegate* unmanaged<nint, ZstdBuffer*, ZstdBuffer*, nuint> Decompress { get; init; }

        internal required delegate* unmanaged<nuint, uint> IsError { get; init; }

        internal required delegate* unmanaged<nuint, nint> ErrorName { get; init; }

        /// <summary>Loads the library; null if it is not installed. It stays loaded.</summary>
        internal static Api? Load() => !NativeLibrary.TryLoad(Library, out nint library) ? null : new Api
        {
            Create = (delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "ZSTD_createDStream"),
            SetParameter = (delegate* unmanaged<nint, int, int, nuint>)NativeLibrary.GetExport(library, "ZSTD_DCtx_setParameter"),
            ErrorCode = (delegate* unmanaged<nuint, int>)NativeLibrary.GetExport(library, "ZSTD_getErrorCode"),
            Free = (delegate* unmanaged<nint, nuint>)NativeLibrary.GetExport(library, "ZSTD_freeDStream"),
            Decompress = (delegate* unmanaged<nint, ZstdBuffer*, ZstdBuffer*, nuint>)NativeLibrary.GetExport(library, "ZSTD_decompressStream"),
            IsError = (delegate* unmanaged<nuint, uint>)NativeLibrary.GetExport(library, "ZSTD_isError"),
            ErrorName = (delegate* unmanaged<nuint, nint>)NativeLibrary.GetExport(library, "ZSTD_getErrorName"),
        };
    }
}
