using Microsoft.Win32.SafeHandles;

namespace PSCrac.Images.Storage;

/// <summary>
/// One file of an image, wherever its bytes are: on disk, inside an archive, or in memory.
/// Reads at offsets and never maps: a mapped file that someone cuts short takes the whole process down with SIGBUS,
/// and searching it grows the process by all of its pages; reading from the page cache is as fast.
/// </summary>
internal abstract class ImageFile(string imagePath, string name, long length) : IDisposable
{
    /// <summary>The image's directory or archive.</summary>
    internal string ImagePath { get; } = imagePath;

    /// <summary>The file's name in the image, such as "core-12.img".</summary>
    internal string Name { get; } = name;

    /// <summary>The file's length when it was opened, in bytes.</summary>
    internal long Length { get; } = length;

    /// <summary>Reads up to a buffer of bytes; 0 at the end, or where the file shrank meanwhile.</summary>
    internal abstract int ReadAt(long offset, Span<byte> buffer);

    /// <summary>Fills the whole buffer, or throws ImageIncomplete.</summary>
    internal void ReadExactlyAt(long offset, Span<byte> buffer)
    {
        int done = 0;
        while (done < buffer.Length)
        {
            int read = ReadAt(offset + done, buffer[done..]);
            if (read <= 0)
            {
                ImageFault.CutShort(this, offset, $"{buffer.Length} bytes are wanted");
            }

            done += read;
        }
    }

    public virtual void Dispose()
    {
    }
}

/// <summary>A file on disk, or a stretch of one (a member of a plain tar archive).</summary>
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

/// <summary>A file whose bytes are in memory: an empty one, or a small one out of a compressed archive.</summary>
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
