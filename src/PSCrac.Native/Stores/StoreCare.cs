using System.Text.Json;
using PSCrac.Images.Storage;
using PSCrac.Procfs;

namespace PSCrac.Stores;

/// <summary>Removes tags from a layout, and content that no tag needs.</summary>
internal static class StoreCare
{
    /// <summary>Removes a tag, and the content that it alone needed unless somebody uses the store just now.</summary>
    /// <param name="name">The name of the image, with the full path of the folder.</param>
    /// <param name="cancellation">Ends waits.</param>
    /// <exception cref="CracException"><see cref="CracReason.NotAnImage"/>: there is no such tag; <see cref="CracReason.ImageNotTrusted"/>: the store is someone else's.</exception>
    internal static void RemoveTag(StoreName name, CancellationToken cancellation)
    {
        string tag = name.Tag ?? throw StoredImages.LacksTag(name);
        using StoreLayout store = StoreLayout.OpenOwned(name.Folder!, cancellation);
        using FolderHandle locked = store.LockIndex(cancellation);
        StoreIndex index = store.ReadIndex();
        Descriptor? removed = index.Find(tag);
        if (!index.Remove(tag))
        {
            throw new CracException(CracReason.NotAnImage, $"The store {store.Path} has no image with the tag {tag}.", $"Get-CracImage {name.WithoutTag()} lists its images.");
        }

        store.WriteIndex(index);
        if (removed is { } manifest && store.TryUseAlone())
        {
            RemoveOf(store, manifest, index);
        }
    }

    /// <summary>Removes all content that no tag needs. Waits until nobody uses the store.</summary>
    /// <param name="path">The full path of the folder.</param>
    /// <param name="cancellation">Ends waits.</param>
    /// <exception cref="CracException"><see cref="CracReason.ImageCorrupt"/>: it is not known what a tag needs.</exception>
    internal static CracStoreOptimization Optimize(string path, CancellationToken cancellation)
    {
        using StoreLayout store = StoreLayout.OpenOwned(path, cancellation);
        store.UseAlone(cancellation);
        long freed = store.RemoveUnfinished();
        int removed = 0;
        int kept = 0;
        long size = 0;
        HashSet<string> needed = FindNeeded(store, store.ReadIndex());
        foreach (string name in store.Blobs.ReadNames() ?? [])
        {
            cancellation.ThrowIfCancellationRequested();
            if (!store.Blobs.TryGetStatus(name, out FileStatus status, out _) || !Descriptor.IsDigest(Descriptor.Algorithm + name))
            {
                continue;
            }

            if (needed.Contains(Descriptor.Algorithm + name))
            {
                kept++;
                size += status.SizeBytes;
            }
            else
            {
                StoreLayout.Require(store.Blobs.Delete(name), store.Path);
                removed++;
                freed += status.SizeBytes;
            }
        }

        return new CracStoreOptimization(StoreName.Prefix + path, removed, freed, kept, size);
    }

    private static void RemoveOf(StoreLayout store, Descriptor manifest, StoreIndex index)
    {
        var own = new HashSet<string>(StringComparer.Ordinal);
        try
        {
            AddNeeded(store, manifest, own);
            own.ExceptWith(FindNeeded(store, index));
        }
        catch (CracException)
        {
            // What is needed is not known: the tag is removed, and nothing else.
            return;
        }

        foreach (string digest in own)
        {
            store.Blobs.Delete(digest[Descriptor.Algorithm.Length..]);
        }
    }

    private static HashSet<string> FindNeeded(StoreLayout store, StoreIndex index)
    {
        var needed = new HashSet<string>(StringComparer.Ordinal);
        foreach (StoreTag each in index.Tags)
        {
            AddNeeded(store, each.Manifest, needed);
        }

        return needed;
    }

    // A manifest has layers, an index has manifests; either may be of other programs.
    private static void AddNeeded(StoreLayout store, Descriptor manifest, HashSet<string> needed)
    {
        if (!needed.Add(manifest.Digest) || !store.Contains(manifest))
        {
            return;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(store.ReadBlob(manifest, ArtifactManifest.MaximumSize, manifest.Digest));
            JsonElement root = document.RootElement;
            foreach (string list in (string[])["layers", "blobs", "manifests"])
            {
                foreach (JsonElement each in root.TryGetProperty(list, out JsonElement items) ? items.EnumerateArray() : default)
                {
                    Add(each, isManifest: list == "manifests");
                }
            }

            if (root.TryGetProperty("config", out JsonElement configuration))
            {
                Add(configuration, isManifest: false);
            }

            if (root.TryGetProperty("subject", out JsonElement subject))
            {
                Add(subject, isManifest: true);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CracException(
                CracReason.ImageCorrupt, $"The manifest {manifest.Digest} in the store {store.Path} is damaged, so it is not known what its tag needs.", "Remove its tag first: Remove-CracImage; or get the image again with -Force.", e);
        }

        void Add(JsonElement element, bool isManifest)
        {
            if (Descriptor.TryRead(element) is { } blob)
            {
                if (isManifest)
                {
                    AddNeeded(store, blob, needed);
                }
                else
                {
                    needed.Add(blob.Digest);
                }
            }
        }
    }
}
