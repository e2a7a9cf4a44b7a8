using PSCrac.Common;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Stores;

/// <summary>
/// The layout below the state folder that what comes from registries and goes to them passes through. It keeps content for the next
/// time, such as the pages that deltas build on; each image has its digest as its tag. The oldest images go where it takes too much.
/// </summary>
internal static class PulledStore
{
    /// <summary>The most that it takes, in bytes; half of what its file system has left for it where that is less.</summary>
    internal static long MaximumSize { get; set; } = 16L << 30;

    /// <summary>The path of its folder.</summary>
    internal static string Path => System.IO.Path.Combine(StateDirectory.Path, "pulled");

    /// <summary>The name of an image in it.</summary>
    internal static StoreName NameOf(string digest) => StoreName.Parse($"{StoreName.Prefix}{Path}:{TagOf(digest)}");

    /// <summary>Opens it, and makes room in it.</summary>
    /// <param name="size">How much will be added, in bytes.</param>
    /// <param name="cancellation">Ends waits.</param>
    internal static StoreLayout Open(long size, CancellationToken cancellation)
    {
        if (StoreLayout.Exists(Path))
        {
            MakeRoom(size, cancellation);
        }

        return StoreLayout.Make(Path, cancellation);
    }

    /// <summary>Keeps an image.</summary>
    internal static void Keep(StoreLayout store, Descriptor manifest, CancellationToken cancellation) =>
        StoreCopy.SetTag(store, NameOf(manifest.Digest), manifest, force: true, cancellation);

    private static string TagOf(string digest) => digest.Replace(':', '-');

    private static void MakeRoom(long size, CancellationToken cancellation)
    {
        List<string> tags;
        using (StoreLayout store = StoreLayout.OpenOwned(Path, cancellation))
        {
            if (HasRoom(store, size))
            {
                return;
            }

            tags = [.. store.ReadIndex().Tags.Select(static each => each.Tag).OfType<string>().Where(StoreName.IsTag)];
        }

        // The index is in the order in which they came.
        foreach (string tag in tags)
        {
            StoreCare.RemoveTag(StoreName.Parse($"{StoreName.Prefix}{Path}:{tag}"), cancellation);
            using StoreLayout store = StoreLayout.OpenOwned(Path, cancellation);
            if (HasRoom(store, size))
            {
                return;
            }
        }
    }

    private static bool HasRoom(StoreLayout store, long size)
    {
        long total = SizeOf(store);
        return total + size <= Math.Min(MaximumSize, (total + (LibC.FreeSpaceOf(store.Folder.Handle) ?? long.MaxValue / 2)) / 2);
    }

    private static long SizeOf(StoreLayout store)
    {
        long size = 0;
        foreach (string name in store.Blobs.ReadNames() ?? [])
        {
            size += store.Blobs.TryGetStatus(name, out FileStatus status, out _) ? status.SizeBytes : 0;
        }

        return size;
    }
}
