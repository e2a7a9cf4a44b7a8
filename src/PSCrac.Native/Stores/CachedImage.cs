using PSCrac.Archives;
using PSCrac.Common;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Stores;

/// <summary>
/// An image of a store, imported to be restored or read, in a private folder below the state folder that is named by the digest of its
/// manifest: the next use finds it there. The longest unused ones are removed where they take too much. As long as this is open, nobody
/// removes it.
/// </summary>
internal sealed class CachedImage : IDisposable
{
    private const uint Private = 0x1C0; // 0700
    private const string FolderName = "cache";
    private readonly FolderHandle _locked;

    private CachedImage(FolderHandle locked, CracImage image)
    {
        _locked = locked;
        Image = image;
    }

    /// <summary>The path of the folder of all of them.</summary>
    internal static string Path => System.IO.Path.Combine(StateDirectory.Path, FolderName);

    /// <summary>The most that they take together, in bytes; half of what their file system has left for them where that is less.</summary>
    internal static long MaximumSize { get; set; } = 16L << 30;

    /// <summary>The image.</summary>
    internal CracImage Image { get; }

    /// <summary>Finds an image, or imports it.</summary>
    /// <param name="image">The image in the store.</param>
    /// <param name="progress">Receives how much is written; null for no reports.</param>
    /// <param name="cancellation">Cancelling leaves nothing.</param>
    /// <exception cref="CracException">It is refused or damaged, encrypted, or cannot be written.</exception>
    internal static CachedImage Open(OpenedImage image, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        FolderHandle.Make(Path, Private, out Errno errno)?.Dispose();
        if (errno != 0)
        {
            throw new CracException(CracReason.PermissionDenied, $"No folder for images of stores could be made at {Path}: {LibC.Message(errno)}.", "Import the image with Import-CracImage.");
        }

        if (image.Manifest.IsEncrypted)
        {
            throw new CracException(
                CracReason.DecryptionFailed, $"{image.Name} is encrypted with age.", $"Import it first: Import-CracImage {image.Name} -Identity FILE.");
        }

        using FolderHandle above = FolderHandle.OpenOwned(Path, TrustedUsers.Read());
        string name = image.Digest[Descriptor.Algorithm.Length..];
        for (int attemptsLeft = 3; ; attemptsLeft--)
        {
            if (TryLock(above, name) is { } locked)
            {
                return Use(locked, name, image);
            }

            try
            {
                MakeRoom(above, image.Manifest.Size);
                StoreImport.Run(image, new ImportRequest { SourcePath = image.Name.ToString(), ImagePath = System.IO.Path.Combine(Path, name) }, progress, cancellation);
            }
            catch (CracException e) when (e.Reason == CracReason.ImageExists && attemptsLeft > 0)
            {
                // Another session has imported it meanwhile.
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _locked.Dispose();

    private static CachedImage Use(FolderHandle locked, string name, OpenedImage image)
    {
        try
        {
            // The longest unused one goes first.
            File.SetLastWriteTimeUtc(locked.Handle, DateTime.UtcNow);
            CracImage cached = CracImage.Open(System.IO.Path.Combine(Path, name));
            cached.SetStored(image.Name.ToString(), image.Manifest.Name ?? image.Name.Tag!);
            return new CachedImage(locked, cached);
        }
        catch
        {
            locked.Dispose();
            throw;
        }
    }

    private static FolderHandle? TryLock(FolderHandle above, string name)
    {
        FolderHandle? folder = above.TryOpenFolder(name, out _);
        if (folder is null || LibC.TryLockShared(folder.Handle) == Errno.EAGAIN || !IsThere(above, name, folder) || !CracImage.IsImageDirectory(folder))
        {
            folder?.Dispose();
            return null;
        }

        return folder;
    }

    // Before it was locked, another session may have removed it.
    private static bool IsThere(FolderHandle above, string name, FolderHandle folder) =>
        above.TryGetStatus(name, out FileStatus now, out _) && folder.TryGetStatus(out FileStatus own) && now.IsSameFile(own);

    private static void MakeRoom(FolderHandle above, long size)
    {
        int[] users = TrustedUsers.Read();
        var kept = new List<(string Name, DateTime Used, long Size)>();
        foreach (string name in above.ReadNames() ?? [])
        {
            using FolderHandle? folder = Descriptor.IsDigest(Descriptor.Algorithm + name) ? above.TryOpenFolder(name, out _) : null;
            if (folder is not null)
            {
                kept.Add((name, File.GetLastWriteTimeUtc(folder.Handle), SizeOf(folder)));
            }
        }

        long total = kept.Sum(static each => each.Size);
        long maximum = Math.Min(MaximumSize, (total + (LibC.FreeSpaceOf(above.Handle) ?? long.MaxValue / 2)) / 2);
        foreach ((string name, _, long each) in kept.OrderBy(static each => each.Used))
        {
            if (total + size <= maximum)
            {
                return;
            }

            using FolderHandle? folder = above.TryOpenFolder(name, out _);
            if (folder is not null && LibC.TryLock(folder.Handle) == 0 && above.DeleteTree(name, users) == 0)
            {
                total -= each;
            }
        }
    }

    private static long SizeOf(FolderHandle folder)
    {
        long size = 0;
        foreach (string name in folder.ReadNames() ?? [])
        {
            size += folder.TryGetStatus(name, out FileStatus status, out _) ? status.SizeBytes : 0;
        }

        return size;
    }
}
