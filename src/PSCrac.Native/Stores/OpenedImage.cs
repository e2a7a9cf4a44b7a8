namespace PSCrac.Stores;

/// <summary>
/// An image in a store, found by its name. As long as this is open, nothing of it is removed from the layout that has its content; for an
/// image in a registry that is <see cref="PulledStore"/>, and <see cref="RequireContent"/> gets what is missing there.
/// </summary>
internal sealed class OpenedImage : IDisposable
{
    private readonly Descriptor _descriptor;
    private readonly byte[] _manifest;
    private readonly Registry? _registry;

    private OpenedImage(StoreLayout store, StoreName name, Descriptor descriptor, byte[] manifest, Registry? registry)
    {
        Store = store;
        Name = name;
        _descriptor = descriptor;
        _manifest = manifest;
        _registry = registry;
        Manifest = ArtifactManifest.Parse(manifest, name.ToString());
    }

    /// <summary>The layout that has its content.</summary>
    internal StoreLayout Store { get; }

    /// <summary>The name by which it was found.</summary>
    internal StoreName Name { get; }

    /// <summary>The digest of its manifest.</summary>
    internal string Digest => _descriptor.Digest;

    /// <summary>Its manifest.</summary>
    internal ArtifactManifest Manifest { get; }

    /// <summary>Finds an image.</summary>
    /// <param name="name">Its name, with a tag and the full path of the layout's folder.</param>
    /// <param name="access">How a registry is reached.</param>
    /// <param name="cancellation">Ends waits.</param>
    /// <exception cref="CracException">There is no such store or image, it is damaged, or a registry cannot be reached.</exception>
    internal static OpenedImage Open(StoreName name, RegistryAccess access, CancellationToken cancellation)
    {
        if (name.Tag is null)
        {
            throw StoredImages.LacksTag(name);
        }

        Registry? registry = name.IsRegistry ? new Registry(access) : null;
        byte[]? manifest = registry?.ReadManifest(name, cancellation);
        StoreLayout store = manifest is null
            ? StoreLayout.Open(name.Folder!, cancellation)
            : PulledStore.Open(ArtifactManifest.Parse(manifest, name.ToString()).Layers.Sum(static layer => layer.Size), cancellation);
        try
        {
            Descriptor descriptor = manifest is null ? StoredImages.Find(store, name).Tag.Manifest : Descriptor.Of(ArtifactManifest.MediaType, manifest);
            manifest ??= store.ReadBlob(descriptor, ArtifactManifest.MaximumSize, name.ToString());
            return new OpenedImage(store, name, descriptor, manifest, registry);
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>Gets from the registry what the layout lacks.</summary>
    /// <exception cref="CracException">The registry cannot be reached, or there is no room.</exception>
    internal void RequireContent(CancellationToken cancellation)
    {
        if (_registry is null)
        {
            return;
        }

        foreach (Descriptor layer in Manifest.Layers)
        {
            if (!Store.Contains(layer))
            {
                _registry.Pull(Name, Digest, Store, cancellation);
                break;
            }
        }

        Put(Store);
        PulledStore.Keep(Store, _descriptor, cancellation);
    }

    /// <summary>Removes damaged content that came from a registry, so that it is got again. A layout of the user's is left as it is.</summary>
    internal void RemoveDamaged()
    {
        foreach (Descriptor layer in _registry is null ? [] : Manifest.Layers)
        {
            try
            {
                Store.OpenVerified(layer, Name.ToString(), CancellationToken.None).Dispose();
            }
            catch (CracException)
            {
                Store.Blobs.Delete(layer.Hex);
            }
        }
    }

    /// <summary>Writes the manifest and the configuration to a layout.</summary>
    internal Descriptor Put(StoreLayout store)
    {
        BlobWriter.Put(store, "", ArtifactManifest.EmptyConfiguration);
        return BlobWriter.Put(store, ArtifactManifest.MediaType, _manifest);
    }

    /// <inheritdoc/>
    public void Dispose() => Store.Dispose();
}
