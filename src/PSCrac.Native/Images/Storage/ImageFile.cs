using Microsoft.Win32.SafeHandles;

namespace PSCrac.Images.Storage;

/// <summary>
/// One file of an image: on disk, inside an archive, or in memory.
/// Reads at offsets and never maps: if a mapped file is truncated, access ends the whole process with SIGBUS,
/// and a search adds all of its pages to the resident memory; reading from the page cache is as fast.
/// </summary>
internal abstract class ImageFile(string imagePath, string name, long length) : IDisposable
{
    /// <summary>The image's directory or archive.</summary>
    internal string ImagePath { get; } = imagePath;

    /// <summary>The file's name in the image, such as "core-12.img".</summary>
    internal string Name { get; } = name;

    /// <summary>The file's length when it was opened, in bytes.</summary>
    internal long Length { get; } = length;

    /// <summary>Cancels the reads of longer parts: entries, hashes, what is decompressed. Belongs to who opened the file.</summary>
    internal CancellationToken Cancellation { get; set; }

    /// <summary>Reads up to the buffer's length. Returns the number of bytes; 0 at the end, or if the file was truncated meanwhile.</summary>
    internal abstract int ReadAt(long offset, Span<byte> buffer);

    /// <summary>Fills the whole buffer, or throws ImageIncomplete.</summary>
    internal void ReadExactlyAt(long offset, Span<byte> buffer)
    {
        int done = 0;
        while (done < buffer.Length)
        {
            Cancellation.ThrowIfCancellationRequested();
            int read = ReadAt(offset + done, buffer[done..]);
            if (read <= 0)
            {
                ImageFault.Truncated(this, offset, $"{buffer.Length} bytes are expected");
            }

            done += read;
        }
    }

    public virtual void Dispose()
    {
    }
}

/// <summary>A file on disk, or a part of one (a member of a plain tar archive).</summary>
internal sealed class DiskImageFile(string imagePath, string name, SafeFileHandle handle, long start, long length, bool ownsHandle)
    : ImageFile(imagePath, name, length)
{
    internal override int ReadAt(long offset, Span<byte> buffer)
    {
        if (offset < 0 || offset >= Length)
        {
            return 0;
        }

        if (buffer.Length > Length - offset)
        {
            buffer = buffer[..(int)(Length - offset)];
        }

        try
        {
            return RandomAccess.Read(handle, buffer, start + offset);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ImageFault.Unreadable(ImagePath, Name, e);
        }
    }

    public override void Dispose()
    {
        if (ownsHandle)
        {
            handle.Dispose();
        }

        base.Dispose();
    }
}

/// <summary>A file whose content is in memory: an empty one, or a small one from a compressed archive.</summary>
internal sealed class MemoryImageFile(string imagePath, string name, ReadOnlyMemory<byte> bytes)
    : ImageFile(imagePath, name, bytes.Length)
{
    internal override int ReadAt(long offset, Span<byte> buffer)
    {
        if (offset < 0 || offset >= Length)
        {
            return 0;
        }

        ReadOnlySpan<byte> rest = bytes.Span[(int)offset..];
        int count = Math.Min(rest.Length, buffer.Length);
        rest[..count].CopyTo(buffer);
        return count;
    }
}
