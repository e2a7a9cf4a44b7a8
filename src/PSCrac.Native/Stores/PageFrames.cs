using PSCrac.Interop;

namespace PSCrac.Stores;

/// <summary>Compresses and decompresses groups of pages, each as one zstd frame, of a delta with the base's group as its prefix.</summary>
internal sealed unsafe class PageFrames : IDisposable
{
    /// <summary>The most bytes that a frame has: libzstd's bound for a group of a MiB that does not compress, rounded up.</summary>
    internal const int MaximumSize = PageIndex.GroupSize + (PageIndex.GroupSize >> 7);

    // Group and prefix: 2 MiB.
    private const int WindowLog = 21;
    private readonly ZstdCompression? _compression;
    private ZstdDecompression? _decompression;

    /// <summary>Prepares for decompression.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ProgramMissing"/>: there is no libzstd.</exception>
    internal PageFrames()
    {
        if (!LibZstd.IsInstalled)
        {
            throw new CracException(CracReason.ProgramMissing, "libzstd, which compresses images in stores, is not installed.", "Install the package libzstd1 (on Fedora: libzstd).");
        }
    }

    /// <summary>Prepares for compression too.</summary>
    /// <param name="level">From 1 to 19.</param>
    internal PageFrames(int level)
        : this()
    {
        _compression = LibZstd.ZSTD_createCCtx();
        Require(LibZstd.ZSTD_CCtx_setParameter(_compression, LibZstd.CompressionLevel, level));
        Require(LibZstd.ZSTD_CCtx_setParameter(_compression, LibZstd.WindowLog, WindowLog));
    }

    /// <summary>Compresses a group.</summary>
    /// <param name="group">Its pages.</param>
    /// <param name="prefix">The pages of the base's group; empty for none.</param>
    /// <param name="frame">At least <see cref="MaximumSize"/> bytes.</param>
    /// <returns>The size of the frame.</returns>
    internal int Compress(ReadOnlySpan<byte> group, ReadOnlySpan<byte> prefix, Span<byte> frame)
    {
        fixed (byte* input = group, before = prefix, output = frame)
        {
            // It holds for one frame.
            Require(LibZstd.ZSTD_CCtx_refPrefix(_compression!, before, (nuint)prefix.Length));
            return (int)Require(LibZstd.ZSTD_compress2(_compression!, output, (nuint)frame.Length, input, (nuint)group.Length));
        }
    }

    /// <summary>Decompresses a group.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="prefix">The pages that were its prefix; empty for none.</param>
    /// <param name="group">Where the pages are put.</param>
    /// <returns>Why that is not possible; null on success.</returns>
    internal string? Decompress(ReadOnlySpan<byte> frame, ReadOnlySpan<byte> prefix, Span<byte> group)
    {
        _decompression ??= LibZstd.ZSTD_createDStream();
        fixed (byte* input = frame, before = prefix, output = group)
        {
            Require(LibZstd.ZSTD_DCtx_refPrefix(_decompression, before, (nuint)prefix.Length));
            nuint size = LibZstd.ZSTD_decompressDCtx(_decompression, output, (nuint)group.Length, input, (nuint)frame.Length);
            return LibZstd.IsError(size) ? LibZstd.ErrorName(size) ?? "it is not in zstd format"
                : size != (nuint)group.Length ? $"it has {size} bytes instead of {group.Length}"
                : null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _compression?.Dispose();
        _decompression?.Dispose();
    }

    private static nuint Require(nuint result) =>
        LibZstd.IsError(result) ? throw new IOException($"libzstd failed: {LibZstd.ErrorName(result)}.") : result;
}
