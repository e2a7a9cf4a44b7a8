using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Interop;

namespace PSCrac.Stores;

/// <summary>Writes content to a layout: under a temporary name, which becomes its hash when it is complete and on the disk.</summary>
internal sealed class BlobWriter : IDisposable
{
    /// <summary>What the names of unfinished content end with.</summary>
    internal const string Suffix = ".partial";

    private const int WritebackSize = 8 << 20;
    private readonly StoreLayout _store;
    private readonly string _name;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private bool _isCommitted;
    private long _begun;

    private BlobWriter(StoreLayout store, string name, SafeFileHandle file)
    {
        _store = store;
        _name = name;
        File = file;
    }

    /// <summary>The file, for what another program writes; <see cref="CommitFile"/> ends that.</summary>
    internal SafeFileHandle File { get; }

    /// <summary>How much was written by <see cref="Write"/>, in bytes.</summary>
    internal long Length { get; private set; }

    /// <summary>Creates the file.</summary>
    /// <exception cref="CracException">It cannot be written.</exception>
    internal static BlobWriter Create(StoreLayout store)
    {
        string name = $"{ImageName.StagingPrefix}{Guid.NewGuid():N}{Suffix}";

        // It may be read again to be hashed.
        SafeFileHandle file = store.Blobs.Open(name, LibC.O_RDWR | LibC.O_CREAT | LibC.O_EXCL, out Errno errno, StoreLayout.PrivateFile);
        StoreLayout.Require(errno, store.Path);
        return new BlobWriter(store, name, file);
    }

    /// <summary>Writes small content, unless it is there.</summary>
    internal static Descriptor Put(StoreLayout store, string mediaType, ReadOnlySpan<byte> content)
    {
        Descriptor blob = Descriptor.Of(mediaType, content);
        if (!store.Contains(blob))
        {
            using BlobWriter writer = Create(store);
            writer.Write(content);
            writer.Commit(mediaType);
        }

        return blob;
    }

    /// <summary>Appends content.</summary>
    internal void Write(ReadOnlySpan<byte> content)
    {
        try
        {
            RandomAccess.Write(File, content, Length);
        }
        catch (IOException e)
        {
            throw StoreLayout.WriteFailed(e, _store.Path);
        }

        _hash.AppendData(content);
        Length += content.Length;
        if (Length - _begun >= WritebackSize)
        {
            // The disk writes while the rest is compressed, and the sync finds little to do.
            LibC.BeginWriteback(File, _begun, Length - _begun);
            _begun = Length;
        }
    }

    /// <summary>Whether what was written so far has the hash of a descriptor.</summary>
    internal bool HasDigest(Descriptor blob) => Descriptor.Algorithm + Convert.ToHexStringLower(_hash.GetCurrentHash()) == blob.Digest;

    /// <summary>Gives the content its name.</summary>
    internal Descriptor Commit(string mediaType) => Commit(mediaType, Descriptor.Algorithm + Convert.ToHexStringLower(_hash.GetHashAndReset()), Length);

    /// <summary>The same for content that was written to <see cref="File"/> directly.</summary>
    internal Descriptor CommitFile(string mediaType, CancellationToken cancellation) => Commit(mediaType, StoreLayout.HashOf(File, cancellation), RandomAccess.GetLength(File));

    /// <summary>Closes the file, and deletes it unless it has its name.</summary>
    public void Dispose()
    {
        if (!_isCommitted)
        {
            _store.Blobs.Delete(_name);
        }

        File.Dispose();
        _hash.Dispose();
    }

    private Descriptor Commit(string mediaType, string digest, long length)
    {
        var blob = new Descriptor(mediaType, digest, length);
        if (_store.Contains(blob))
        {
            return blob;
        }

        StoreLayout.Require(_store.Blobs.ChangeMode(_name, StoreLayout.PrivateFile), _store.Path);
        StoreLayout.Require(LibC.Sync(File), _store.Path);
        StoreLayout.Require(_store.Blobs.Rename(_name, _store.Blobs, blob.Hex), _store.Path);
        _isCommitted = true;
        return blob;
    }
}
