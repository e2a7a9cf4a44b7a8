using System.Buffers;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Memory;

/// <summary>
/// The present pages of a pagemap one after the other, as an uncompressed pages file has them, read from a pages file that has
/// compressed ones. Decodes only the blocks that are asked for, and keeps the last one.
/// </summary>
internal sealed class CompressedPages(ImageFile stored, PageBlocks blocks, int pageSize, long length)
    : ImageFile(stored.ImagePath, stored.Name, length)
{
    private const ulong NoPage = ulong.MaxValue;
    private byte[] _encoded = [];
    private byte[] _decoded = [];
    private ulong _decodedPage = NoPage;

    internal override int ReadAt(long offset, Span<byte> buffer)
    {
        if (offset < 0 || offset >= Length)
        {
            return 0;
        }

        PageBlock block = blocks.Find((ulong)(offset / pageSize), pageSize);
        long into = offset - ((long)block.FirstPage * pageSize);
        long size = SizeOf(block);
        Span<byte> target = buffer[..(int)Math.Min(buffer.Length, size - into)];
        if (block.Length == 0)
        {
            target.Clear();
        }
        else if (!IsEncoded(block))
        {
            stored.ReadExactlyAt(block.Offset + into, target);
        }
        else if (target.Length == size)
        {
            Decode(block, target);
        }
        else
        {
            DecodeToKeep(block, size);
            _decoded.AsSpan((int)into, target.Length).CopyTo(target);
        }

        return target.Length;
    }

    /// <summary>Decodes each block; throws ImageCorrupt or ImageIncomplete for the first that is damaged.</summary>
    internal void RequireSound(CancellationToken cancellation)
    {
        ulong end = (ulong)(Length / pageSize);
        for (ulong page = 0; page < end;)
        {
            cancellation.ThrowIfCancellationRequested();
            PageBlock block = blocks.Find(page, pageSize);
            if (IsEncoded(block))
            {
                DecodeToKeep(block, SizeOf(block));
            }

            page = block.FirstPage + block.Pages;
        }
    }

    public override void Dispose()
    {
        foreach (byte[] rented in (ReadOnlySpan<byte[]>)[_encoded, _decoded])
        {
            if (rented.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }

        (_encoded, _decoded, _decodedPage) = ([], [], NoPage);
        stored.Dispose();
        base.Dispose();
    }

    // A damaged pagemap may count more pages than can be.
    private long SizeOf(in PageBlock block) => Math.Min((long)Math.Min(block.Pages, (ulong)(long.MaxValue / pageSize)) * pageSize, Length - ((long)block.FirstPage * pageSize));

    private bool IsEncoded(in PageBlock block) => block.Length > 0 && block.Length != SizeOf(block);

    private void DecodeToKeep(PageBlock block, long size)
    {
        if (_decodedPage == block.FirstPage)
        {
            return;
        }

        if (size > PageBlocks.MaximumBlockLength)
        {
            ImageFault.Corrupt(stored, block.Offset, $"a block of {block.Pages} pages of {pageSize} bytes is larger than any that criu writes");
        }

        Grow(ref _decoded, (int)size);
        _decodedPage = NoPage;
        Decode(block, _decoded.AsSpan(0, (int)size));
        _decodedPage = block.FirstPage;
    }

    private void Decode(PageBlock block, Span<byte> target)
    {
        if (block.Length > target.Length)
        {
            ImageFault.Corrupt(stored, block.Offset, $"a block of {block.Length} bytes is to be decoded to {target.Length}, which is fewer");
        }

        Grow(ref _encoded, (int)block.Length);
        Span<byte> encoded = _encoded.AsSpan(0, (int)block.Length);
        stored.ReadExactlyAt(block.Offset, encoded);
        if (!Lz4Block.TryDecode(encoded, target))
        {
            ImageFault.Corrupt(stored, block.Offset, $"{block.Length} bytes are no LZ4 block of {target.Length} bytes");
        }
    }

    private static void Grow(ref byte[] buffer, int length)
    {
        if (buffer.Length >= length)
        {
            return;
        }

        if (buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        buffer = ArrayPool<byte>.Shared.Rent(length);
    }
}
