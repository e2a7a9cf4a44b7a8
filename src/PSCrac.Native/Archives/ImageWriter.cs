using System.Buffers;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Images.Manifest;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Archives;

/// <summary>Writes an image from elsewhere to a folder of the caller's own, and hashes the bytes that it writes.</summary>
/// <param name="folder">The folder.</param>
/// <param name="progress">Receives how much is written; null for no reports.</param>
/// <param name="isTemporary">Whether the image need not outlive a crash of the machine: its files are not synced.</param>
internal sealed class ImageWriter(FolderHandle folder, IProgress<CracProgress>? progress, bool isTemporary = false)
{
    private const uint PrivateFile = 0x180; // 0600
    private const int BufferSize = 1 << 20;
    private const int WritebackSize = 8 << 20;
    private readonly List<ImageManifestFile> _files = [];
    private readonly HashSet<string> _unhashed = new(StringComparer.Ordinal);
    private long _expected;
    private long _written;

    /// <summary>The files that criu or a JVM would read, with their hashes.</summary>
    internal IReadOnlyList<ImageManifestFile> Files => _files;

    /// <summary>How much is written, in bytes.</summary>
    internal long Written => _written;

    /// <summary>How much could be written when the writing began, in bytes; null if unknown.</summary>
    internal long? FreeSpace { get; } = LibC.FreeSpaceOf(folder.Handle);

    /// <summary>Writes a file.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="read">Reads its content on from a position; gives the number of bytes, 0 at its end.</param>
    /// <exception cref="CracException">It cannot be written.</exception>
    internal void Write(string name, Func<byte[], long, int> read)
    {
        using SafeFileHandle file = folder.Create(name, out Errno errno, PrivateFile);
        Require(errno, name);
        bool isHashed = ImageManifest.IsSealed(name);
        using var hash = new Sha256();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        long position = 0;
        long begun = 0;
        for (int length; (length = read(buffer, position)) > 0; position += length)
        {
            Write(file, name, position, buffer.AsSpan(0, length));
            if (!isTemporary && position + length - begun >= WritebackSize)
            {
                // The disk writes while the rest is decompressed, and the sync finds little to do.
                begun += LibC.BeginWriteback(file, begun, position + length - begun);
            }

            if (isHashed)
            {
                hash.Append(buffer.AsSpan(0, length));
            }

            _written += length;
            progress?.Report(new CracProgress(CracPhase.Unpacking, Written, _expected));
        }

        ArrayPool<byte>.Shared.Return(buffer);
        Finish(file, name);
        if (isHashed)
        {
            byte[] digest = new byte[Sha256.Length];
            hash.Finish(digest);
            _files.Add(new ImageManifestFile(name, position, Convert.ToHexStringLower(digest)));
        }
        else if (name == ImageManifest.FileName)
        {
            _expected = ReadExpected();
        }
    }

    /// <summary>Whether the manifest, which is written, has no hash of a file, so that there is nothing to compare one with.</summary>
    internal bool NeedsNoHash(string name) => _unhashed.Contains(name);

    /// <summary>Writes a file in any order, from several threads at a time. It is not hashed.</summary>
    /// <param name="name">Its name, of a file for which <see cref="NeedsNoHash"/> is true.</param>
    /// <param name="length">Its length, in bytes.</param>
    /// <param name="write">Writes all of it, by the function that it is given: the position, the buffer, and how much of it.</param>
    /// <exception cref="CracException">It cannot be written.</exception>
    internal void WriteParts(string name, long length, Action<Action<long, byte[], int>> write)
    {
        using SafeFileHandle file = folder.Create(name, out Errno errno, PrivateFile);
        Require(errno, name);
        write((position, buffer, count) =>
        {
            Write(file, name, position, buffer.AsSpan(0, count));
            if (!isTemporary)
            {
                LibC.BeginWriteback(file, position, count);
            }

            long written = Interlocked.Add(ref _written, count);
            progress?.Report(new CracProgress(CracPhase.Unpacking, written, _expected));
        });
        Finish(file, name);
        _files.Add(new ImageManifestFile(name, length, null));
    }

    private void Finish(SafeFileHandle file, string name)
    {
        Require(folder.ChangeMode(name, PrivateFile), name);
        Require(isTemporary ? Errno.None : LibC.Sync(file), name);
    }

    // Nothing is believed: a damaged manifest is refused when all is there, after its signature.
    private long ReadExpected()
    {
        try
        {
            IReadOnlyList<ImageManifestFile> files = ImageManifest.Read(new DirectoryImageSource(folder))?.Files ?? [];
            _unhashed.UnionWith(files.Where(static each => each.Sha256 is null).Select(static each => each.Name));
            return files.Sum(static each => each.Size);
        }
        catch (Exception e) when (e is CracException or OverflowException)
        {
            return 0;
        }
    }

    private void Write(SafeFileHandle file, string name, long position, ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(file, bytes, position);
        }
        catch (IOException e)
        {
            // HResult of a .NET IOException on Unix is the errno.
            Require((Errno)e.HResult, name);
        }
    }

    private void Require(Errno errno, string name)
    {
        if (errno != 0)
        {
            bool isFull = errno is Errno.ENOSPC or Errno.EDQUOT;
            throw new CracException(
                isFull ? CracReason.NoSpace : CracReason.SealFailed,
                $"{name} of the image could not be written to {folder.Path}: {LibC.Message(errno)}.",
                isFull ? "Free some space, or give -ImagePath on another file system." : "Give -ImagePath in another folder.");
        }
    }
}
