using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Archives;

/// <summary>Reads an archive from its beginning to its end: decrypted, decompressed, entry by entry.</summary>
internal sealed class ArchiveReader : IDisposable
{
    private readonly SafeFileHandle _file;
    private readonly AgeProgram? _age;
    private readonly Stream _content;
    private readonly string _path;

    private ArchiveReader(SafeFileHandle file, string path, AgeProgram? age, Stream content, CancellationToken cancellation)
    {
        _file = file;
        _path = path;
        _age = age;
        _content = content;
        Scanner = new TarScanner(content, path, System.IO.Path.GetFileName(path), new NameBudget(), cancellation);
    }

    /// <summary>The entries.</summary>
    internal TarScanner Scanner { get; }

    /// <summary>Opens an archive.</summary>
    /// <param name="file">The file, at its beginning; closed with the reader, or where this fails.</param>
    /// <param name="path">Its full path.</param>
    /// <param name="identities">The full paths of files with identities for age.</param>
    /// <param name="cancellation">Cancels all reads.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.NotAnImage"/>: it is no archive. <see cref="CracReason.DecryptionFailed"/>: it is encrypted, and no
    /// identity was given, or age could not decrypt it.
    /// </exception>
    internal static ArchiveReader Open(SafeFileHandle file, string path, IReadOnlyList<string> identities, CancellationToken cancellation)
    {
        AgeProgram? age = null;
        try
        {
            byte[] head = new byte[ArchiveFormat.HeadSize];
            int length = RandomAccess.Read(file, head, 0);
            Stream packed;
            if (ArchiveFormat.IsEncrypted(head.AsSpan(0, length)))
            {
                age = AgeProgram.Decrypt(identities.Count > 0 ? identities : throw IsEncrypted(path), file, cancellation);
                length = age.Stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
                packed = new PrefixedStream(head.AsMemory(0, length), age.Stream);
            }
            else
            {
                packed = new FileStream(LibC.Duplicate(file, 0, out _), FileAccess.Read, bufferSize: 0);
            }

            cancellation.ThrowIfCancellationRequested();
            ArchiveCompression compression = ArchiveFormat.Detect(head.AsSpan(0, length)) ?? throw (length == 0 && age is not null ? age.Failure(null) : NotAnArchive(path));
            return new ArchiveReader(file, path, age, new ReadAheadStream(ArchiveFormat.Decompress(packed, compression), cancellation), cancellation);
        }
        catch
        {
            age?.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Reads to the end. What was read is whole only after this.</summary>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ImageIncomplete"/>: the archive is cut short. <see cref="CracReason.ImageCorrupt"/>: something follows its
    /// end. <see cref="CracReason.DecryptionFailed"/>: age found it damaged.
    /// </exception>
    internal void Complete()
    {
        Scanner.ReadToEnd();
        _age?.Complete();
        if (!Scanner.HasEnd)
        {
            throw new CracException(
                CracReason.ImageIncomplete, $"{System.IO.Path.GetFileName(_path)} is truncated: it does not have the end of an archive.", "Export the checkpoint again, or copy the archive again.")
            {
                ImagePath = _path,
            };
        }
    }

    /// <summary>The exception to throw for a failure in the content: that age has failed explains it better.</summary>
    internal CracException Explain(CracException failure)
    {
        if (_age is null || failure.Reason is not (CracReason.ImageCorrupt or CracReason.ImageIncomplete))
        {
            return failure;
        }

        try
        {
            _age.Complete();
            return failure;
        }
        catch (CracException e)
        {
            return e;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _content.Dispose();
        _age?.Dispose();
        _file.Dispose();
    }

    private static CracException IsEncrypted(string path) => new(
        CracReason.DecryptionFailed, $"{path} is encrypted with age.", "Give -Identity a file with the secret key of one of its recipients.")
    {
        ImagePath = path,
    };

    private static CracException NotAnArchive(string path) => new(
        CracReason.NotAnImage,
        $"{path} is not an archive of an image (tar, plain or compressed with zstd or gzip, or encrypted with age).",
        "Give an archive that Export-CracImage, Podman, CRI-O or the kubelet wrote.")
    {
        ImagePath = path,
    };

    /// <summary>A stream whose first bytes were read already.</summary>
    private sealed class PrefixedStream(ReadOnlyMemory<byte> first, Stream rest) : ForwardStream
    {
        private int _taken;

        public override int Read(Span<byte> buffer)
        {
            int count = Math.Min(buffer.Length, first.Length - _taken);
            if (count == 0)
            {
                return rest.Read(buffer);
            }

            first.Span.Slice(_taken, count).CopyTo(buffer);
            _taken += count;
            return count;
        }
    }
}
