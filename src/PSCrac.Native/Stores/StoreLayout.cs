using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;

namespace PSCrac.Stores;

/// <summary>
/// An OCI image layout: the file oci-layout, the index of tags index.json, and content by its hash below blobs/sha256. Whoever reads or
/// writes content holds a shared lock on the folder of blobs, so that none is removed that is needed; whoever changes the index holds a
/// lock on the store's folder.
/// </summary>
internal sealed class StoreLayout : IDisposable
{
    /// <summary>The name of the index.</summary>
    internal const string IndexName = "index.json";

    /// <summary>The mode of files.</summary>
    internal const uint PrivateFile = 0x180; // 0600

    private const uint PrivateFolder = 0x1C0; // 0700
    private const string MarkerName = "oci-layout";
    private const string BlobsName = "blobs";
    private const string AlgorithmName = "sha256";
    private const int MaximumIndexSize = 16 << 20;

    private StoreLayout(FolderHandle folder, FolderHandle blobs)
    {
        Folder = folder;
        Blobs = blobs;
    }

    /// <summary>The store's folder.</summary>
    internal FolderHandle Folder { get; }

    /// <summary>The folder of the blobs, named by their SHA-256.</summary>
    internal FolderHandle Blobs { get; }

    /// <summary>The path of the store's folder.</summary>
    internal string Path => Folder.Path;

    /// <summary>The path of the folder above the blobs, for skopeo.</summary>
    internal string BlobsPath => System.IO.Path.Combine(Path, BlobsName);

    private static ReadOnlySpan<byte> Marker => "{\"imageLayoutVersion\":\"1.0.0\"}"u8;

    private static ReadOnlySpan<byte> EmptyIndex => "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}"u8;

    /// <summary>Opens a store to read it.</summary>
    /// <param name="path">The full path of its folder.</param>
    /// <param name="cancellation">Ends waits for those who clean it up.</param>
    /// <exception cref="CracException"><see cref="CracReason.NotAnImage"/>: it is none; <see cref="CracReason.PermissionDenied"/>.</exception>
    internal static StoreLayout Open(string path, CancellationToken cancellation = default)
    {
        FolderHandle folder = FolderHandle.TryOpen(path, out Errno errno) ?? throw CannotOpen(path, errno);
        return Adopt(folder, cancellation);
    }

    /// <summary>Whether there is a store.</summary>
    internal static bool Exists(string path)
    {
        using FolderHandle? folder = FolderHandle.TryOpen(path, out _);
        return folder?.ContainsFile(MarkerName) == true;
    }

    /// <summary>Opens a store to change it, which only its owner and root may.</summary>
    /// <exception cref="CracException">As <see cref="Open"/>; <see cref="CracReason.ImageNotTrusted"/>: it belongs to someone else.</exception>
    internal static StoreLayout OpenOwned(string path, CancellationToken cancellation = default)
    {
        if (!Exists(path))
        {
            throw CannotOpen(path, Errno.ENOENT);
        }

        return Adopt(FolderHandle.OpenOwned(path, TrustedUsers.Read()), cancellation);
    }

    /// <summary>Opens a store to write to it; makes it where there is none yet.</summary>
    /// <param name="path">The full path of its folder, which may be missing or empty.</param>
    /// <param name="cancellation">Ends waits for those who clean it up.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ImageNotTrusted"/>: the folder belongs to someone else; <see cref="CracReason.NotAnImage"/>: it has something
    /// else in it; <see cref="CracReason.PermissionDenied"/>, <see cref="CracReason.NoSpace"/>, <see cref="CracReason.SealFailed"/>.
    /// </exception>
    internal static StoreLayout Make(string path, CancellationToken cancellation = default)
    {
        FolderHandle.Make(path, PrivateFolder, out Errno made)?.Dispose();
        Require(made, path);
        FolderHandle folder = FolderHandle.OpenOwned(path, TrustedUsers.Read());
        try
        {
            if (!folder.ContainsFile(MarkerName))
            {
                Create(folder, cancellation);
            }
        }
        catch
        {
            folder.Dispose();
            throw;
        }

        return Adopt(folder, cancellation);
    }

    /// <summary>Takes the lock that one has who changes the index; released when the result is closed.</summary>
    internal FolderHandle LockIndex(CancellationToken cancellation) => Lock(Folder, cancellation);

    /// <summary>
    /// Waits until nobody else uses the content, and keeps everyone out until this store is closed: for the removal of what no tag needs.
    /// </summary>
    internal void UseAlone(CancellationToken cancellation)
    {
        Errno errno = WaitForLock(Blobs.Handle, LibC.TryLock, cancellation);
        if (errno != 0)
        {
            throw new CracException(CracReason.SealFailed, $"The store {Path} cannot be locked: {LibC.Message(errno)}.", "Use a file system that has locks (flock(2)).");
        }
    }

    /// <summary>The same without waiting.</summary>
    /// <returns>Whether nobody else uses it. Otherwise this store must not be used any more.</returns>
    internal bool TryUseAlone() => LibC.TryLock(Blobs.Handle) == 0;

    /// <summary>Removes what killed writers left, unless somebody uses the store.</summary>
    internal void RemoveAbandoned(CancellationToken cancellation)
    {
        if (LibC.TryLock(Blobs.Handle) == 0)
        {
            RemoveUnfinished();
        }

        // After a failure the shared lock is lost as well (flock(2)).
        WaitForLock(Blobs.Handle, LibC.TryLockShared, cancellation);
    }

    /// <summary>Removes all unfinished content. Only for who uses the store alone.</summary>
    /// <returns>How much was freed, in bytes.</returns>
    internal long RemoveUnfinished()
    {
        long freed = 0;
        foreach (string name in Blobs.ReadNames() ?? [])
        {
            if (name.StartsWith(ImageName.StagingPrefix, StringComparison.Ordinal) && name.EndsWith(BlobWriter.Suffix, StringComparison.Ordinal))
            {
                long size = Blobs.TryGetStatus(name, out Procfs.FileStatus status, out _) ? status.SizeBytes : 0;
                freed += Blobs.Delete(name) == 0 ? size : 0;
            }
        }

        return freed;
    }

    /// <summary>Reads the index.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageCorrupt"/>.</exception>
    internal StoreIndex ReadIndex()
    {
        using SafeFileHandle file = Folder.OpenToRead(IndexName, out Errno errno);
        byte[]? bytes = errno == 0 ? SmallFile.Read(file, MaximumIndexSize) : throw CannotOpen(Path, errno);
        return StoreIndex.Parse(bytes ?? throw new CracException(CracReason.ImageCorrupt, $"The {IndexName} of the store {Path} is too large.", "Restore it from a backup."), Path);
    }

    /// <summary>Replaces the index: a reader finds the old or the new one.</summary>
    internal void WriteIndex(StoreIndex index)
    {
        Require(SmallFile.Write(Folder, IndexName, index.ToBytes(), PrivateFile, replaces: true, sync: true), Path);
        Require(LibC.Sync(Folder.Handle), Path);
    }

    /// <summary>Makes an empty folder the layout of one image, whose content is elsewhere.</summary>
    internal static void WriteSingle(FolderHandle folder, string tag, Descriptor manifest)
    {
        var index = StoreIndex.Parse(EmptyIndex.ToArray(), folder.Path);
        index.Set(tag, manifest);
        Require(SmallFile.Write(folder, IndexName, index.ToBytes(), PrivateFile, replaces: true), folder.Path);
        Require(SmallFile.Write(folder, MarkerName, Marker, PrivateFile, replaces: true), folder.Path);
    }

    /// <summary>Whether some content is there, of the right size.</summary>
    internal bool Contains(Descriptor blob) => Blobs.TryGetStatus(blob.Hex, out Procfs.FileStatus status, out _) && status.Type == Procfs.FileType.Regular && status.SizeBytes == blob.Size;

    /// <summary>Opens content, whose size is checked and whose hash is not.</summary>
    /// <param name="blob">The content.</param>
    /// <param name="where">The name of the image, for messages.</param>
    /// <exception cref="CracException"><see cref="CracReason.ImageIncomplete"/>: it is missing or cut short.</exception>
    internal SafeFileHandle OpenBlob(Descriptor blob, string where)
    {
        SafeFileHandle file = Blobs.OpenToRead(blob.Hex, out Errno errno);
        if (errno != 0)
        {
            throw errno is Errno.EACCES or Errno.EPERM
                ? new CracException(CracReason.PermissionDenied, $"Content of {where} cannot be read: {LibC.Message(errno)}.", "Run this session as the owner of the store, or as root.")
                : new CracException(CracReason.ImageIncomplete, $"The store lacks {blob.Digest}, which {where} needs.", "Get the image again from its source, or export it again with Export-CracImage.");
        }

        if (RandomAccess.GetLength(file) != blob.Size)
        {
            file.Dispose();
            throw new CracException(CracReason.ImageIncomplete, $"{blob.Digest}, which {where} needs, has another size than {blob.Size} bytes.", "Get the image again from its source, or export it again with Export-CracImage.");
        }

        return file;
    }

    /// <summary>Reads small content, and checks its hash.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageIncomplete"/>, <see cref="CracReason.ImageCorrupt"/>.</exception>
    internal byte[] ReadBlob(Descriptor blob, int maximum, string where)
    {
        if (blob.Size > maximum)
        {
            throw new CracException(CracReason.ImageCorrupt, $"{blob.Digest}, which {where} needs, has {blob.Size} bytes, more than the {maximum} that are read.", "Get the image again from its source.");
        }

        using SafeFileHandle file = OpenBlob(blob, where);
        byte[] bytes = SmallFile.Read(file, maximum) ?? [];
        return Descriptor.DigestOf(bytes) == blob.Digest ? bytes : throw Damaged(blob, where);
    }

    /// <summary>Opens content and checks its hash first.</summary>
    internal SafeFileHandle OpenVerified(Descriptor blob, string where, CancellationToken cancellation)
    {
        SafeFileHandle file = OpenBlob(blob, where);
        try
        {
            return HashOf(file, cancellation) == blob.Digest ? file : throw Damaged(blob, where);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>The digest of a file.</summary>
    internal static string HashOf(SafeFileHandle file, CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 18];
        long position = 0;
        for (int read; (read = RandomAccess.Read(file, buffer, position)) > 0; position += read)
        {
            cancellation.ThrowIfCancellationRequested();
            hash.AppendData(buffer, 0, read);
        }

        return Descriptor.Algorithm + Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The exception for content that is not what its name says.</summary>
    internal static CracException Damaged(Descriptor blob, string where) => new(
        CracReason.ImageCorrupt, $"The store's content {blob.Digest}, which {where} needs, is damaged: it has another hash.", "Get the image again from its source, or export it again with Export-CracImage.");

    /// <summary>Throws where a write to a store failed.</summary>
    internal static void Require(Errno errno, string path)
    {
        if (errno != 0)
        {
            throw WriteFailed(errno, path, null);
        }
    }

    /// <summary>The exception for a write that failed.</summary>
    internal static CracException WriteFailed(IOException failure, string path) => WriteFailed((Errno)failure.HResult, path, failure);

    /// <inheritdoc/>
    public void Dispose()
    {
        Blobs.Dispose();
        Folder.Dispose();
    }

    // HResult of a .NET IOException on Unix is the errno.
    private static CracException WriteFailed(Errno errno, string path, IOException? failure) => errno switch
    {
        Errno.ENOSPC or Errno.EDQUOT => new(
            CracReason.NoSpace, $"No space is left for the store {path}.", "Free some space: Remove-CracImage removes tags, and Optimize-CracImageStore what none of them needs; or give a store on another file system.", failure),
        Errno.EACCES or Errno.EPERM or Errno.EROFS => new(
            CracReason.PermissionDenied, $"The store {path} cannot be written: {LibC.Message(errno)}.", "Give a store in a folder that you may write to.", failure),
        _ => new(CracReason.SealFailed, $"The store {path} could not be written: {failure?.Message ?? LibC.Message(errno)}", "Give a store in another folder.", failure),
    };

    private static StoreLayout Adopt(FolderHandle folder, CancellationToken cancellation)
    {
        FolderHandle? blobs = null;
        try
        {
            Errno errno = folder.ContainsFile(MarkerName) ? Errno.None : Errno.ENOENT;
            blobs = errno == 0 ? folder.TryOpenFolder($"{BlobsName}/{AlgorithmName}", out errno) : null;
            if (blobs is null)
            {
                throw CannotOpen(folder.Path, errno);
            }

            // Where a file system has no locks, nobody can clean up either.
            WaitForLock(blobs.Handle, LibC.TryLockShared, cancellation);
            return new StoreLayout(folder, blobs);
        }
        catch
        {
            blobs?.Dispose();
            folder.Dispose();
            throw;
        }
    }

    private static void Create(FolderHandle folder, CancellationToken cancellation)
    {
        using FolderHandle locked = Lock(folder, cancellation);
        if (folder.ContainsFile(MarkerName))
        {
            return;
        }

        if (folder.ReadNames()?.FirstOrDefault(static name => name is not (BlobsName or IndexName) && !name.StartsWith($".{IndexName}", StringComparison.Ordinal)) is { } other)
        {
            throw new CracException(CracReason.NotAnImage, $"{folder.Path} has {other} in it, and is no store (an OCI image layout).", "Give a folder that does not exist or is empty.");
        }

        RequireMade(folder.MakeFolder(BlobsName, PrivateFolder), folder.Path);
        using FolderHandle? above = folder.TryOpenFolder(BlobsName, out Errno errno);
        Require(errno, folder.Path);
        RequireMade(above!.MakeFolder(AlgorithmName, PrivateFolder), folder.Path);
        Require(LibC.Sync(above.Handle), folder.Path);
        Require(SmallFile.Write(folder, IndexName, EmptyIndex, PrivateFile, replaces: true, sync: true), folder.Path);

        // The last: a folder with it is a store.
        Require(SmallFile.Write(folder, MarkerName, Marker, PrivateFile, replaces: true, sync: true), folder.Path);
        Require(LibC.Sync(folder.Handle), folder.Path);
    }

    private static void RequireMade(Errno errno, string path) => Require(errno == Errno.EEXIST ? Errno.None : errno, path);

    // A lock is of the open file description: each user of the folder has one of its own.
    private static FolderHandle Lock(FolderHandle folder, CancellationToken cancellation)
    {
        FolderHandle? own = folder.TryReopen(out Errno errno);
        errno = own is null ? errno : WaitForLock(own.Handle, LibC.TryLock, cancellation);
        if (errno == 0)
        {
            return own!;
        }

        own?.Dispose();
        throw new CracException(CracReason.SealFailed, $"The store {folder.Path} cannot be locked: {LibC.Message(errno)}.", "Use a file system that has locks (flock(2)).");
    }

    private static Errno WaitForLock(SafeHandle file, Func<SafeHandle, Errno> tryLock, CancellationToken cancellation)
    {
        const int PollMilliseconds = 10;
        Errno errno;
        while ((errno = tryLock(file)) == Errno.EAGAIN)
        {
            cancellation.WaitHandle.WaitOne(PollMilliseconds);
            cancellation.ThrowIfCancellationRequested();
        }

        return errno;
    }

    private static CracException CannotOpen(string path, Errno errno) => errno is Errno.EACCES or Errno.EPERM
        ? new(CracReason.PermissionDenied, $"The store {path} cannot be read: {LibC.Message(errno)}.", "Run this session as the owner of the store, or as root.")
        : new(CracReason.NotAnImage, $"There is no store (an OCI image layout) at {path}.", "Export-CracImage makes one: Export-CracImage IMAGE -DestinationPath oci:FOLDER:TAG.");
}
