using System.Runtime.InteropServices;

namespace PSCrac.Interop;

/// <summary>
/// libzstd, as zstd.h declares it: .NET 10 has no zstd. Nothing here may be called where <see cref="IsInstalled"/> is false. A result
/// of most functions is a size, or an error that <see cref="IsError"/> recognizes.
/// </summary>
internal static unsafe partial class LibZstd
{
    /// <summary>ZSTD_d_windowLogMax, of a decompression.</summary>
    internal const int WindowLogMaximum = 100;

    /// <summary>ZSTD_c_compressionLevel, of a compression.</summary>
    internal const int CompressionLevel = 100;

    /// <summary>ZSTD_c_windowLog: how far back a match may lie, as a power of two.</summary>
    internal const int WindowLog = 101;

    /// <summary>ZSTD_c_hashLog: the size of the table of what was seen, as a power of two.</summary>
    internal const int HashLog = 102;

    /// <summary>ZSTD_c_checksumFlag: whether each frame ends with a checksum of its content.</summary>
    internal const int ChecksumFlag = 201;

    /// <summary>ZSTD_c_nbWorkers: the number of threads; an error where the library was built without threads.</summary>
    internal const int WorkerCount = 400;

    /// <summary>ZSTD_c_jobSize: how much of the content one thread compresses at a time, in bytes.</summary>
    internal const int JobSize = 401;

    /// <summary>ZSTD_c_overlapLog: how much of the window before it a job sees. 9 is all of it, each one less the half; 0 is the level's default.</summary>
    internal const int OverlapLog = 402;

    /// <summary>ZSTD_e_continue: collect, and compress what is worth it.</summary>
    internal const int Continue = 0;

    /// <summary>ZSTD_e_end: compress the rest, and end the frame.</summary>
    internal const int End = 2;

    private const string Library = "libzstd.so.1";

    private static readonly Lazy<bool> s_isInstalled = new(static () => NativeLibrary.TryLoad(Library, out _));

    /// <summary>Whether the library is installed.</summary>
    internal static bool IsInstalled => s_isInstalled.Value;

    /// <summary>A buffer: ZSTD_inBuffer and ZSTD_outBuffer have the same fields.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Area
    {
        /// <summary>The first byte.</summary>
        internal byte* Data;

        /// <summary>The size, in bytes.</summary>
        internal nuint Size;

        /// <summary>How far it was read or written.</summary>
        internal nuint Position;
    }

    [LibraryImport(Library, EntryPoint = "ZSTD_createDStream")]
    internal static partial ZstdDecompression ZSTD_createDStream();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDStream")]
    internal static partial nuint ZSTD_freeDStream(nint stream);

    [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_setParameter")]
    internal static partial nuint ZSTD_DCtx_setParameter(ZstdDecompression stream, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream")]
    internal static partial nuint ZSTD_decompressStream(ZstdDecompression stream, Area* output, Area* input);

    [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
    internal static partial ZstdCompression ZSTD_createCCtx();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
    internal static partial nuint ZSTD_freeCCtx(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_setParameter")]
    internal static partial nuint ZSTD_CCtx_setParameter(ZstdCompression context, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressStream2")]
    internal static partial nuint ZSTD_compressStream2(ZstdCompression context, Area* output, Area* input, int operation);

    [LibraryImport(Library, EntryPoint = "ZSTD_compress2")]
    internal static partial nuint ZSTD_compress2(ZstdCompression context, byte* output, nuint capacity, byte* input, nuint size);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_refPrefix")]
    internal static partial nuint ZSTD_CCtx_refPrefix(ZstdCompression context, byte* prefix, nuint size);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressDCtx")]
    internal static partial nuint ZSTD_decompressDCtx(ZstdDecompression context, byte* output, nuint capacity, byte* input, nuint size);

    [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_refPrefix")]
    internal static partial nuint ZSTD_DCtx_refPrefix(ZstdDecompression context, byte* prefix, nuint size);

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    private static partial uint ZSTD_isError(nuint result);

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorCode")]
    private static partial int ZSTD_getErrorCode(nuint result);

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
    private static partial nint ZSTD_getErrorName(nuint result);

    /// <summary>Whether a result is an error.</summary>
    internal static bool IsError(nuint result) => ZSTD_isError(result) != 0;

    /// <summary>The number of an error, as zstd_errors.h has it.</summary>
    internal static int ErrorCode(nuint result) => ZSTD_getErrorCode(result);

    /// <summary>The library's message for an error; null if it has none.</summary>
    internal static string? ErrorName(nuint result) => Marshal.PtrToStringUTF8(ZSTD_getErrorName(result));
}

/// <summary>A decompression (ZSTD_DStream).</summary>
internal sealed class ZstdDecompression() : SafeHandle(0, ownsHandle: true)
{
    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => !LibZstd.IsError(LibZstd.ZSTD_freeDStream(handle));
}

/// <summary>A compression (ZSTD_CCtx).</summary>
internal sealed class ZstdCompression() : SafeHandle(0, ownsHandle: true)
{
    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => !LibZstd.IsError(LibZstd.ZSTD_freeCCtx(handle));
}
