namespace PSCrac.Stores;

/// <summary>Finds images in a layout.</summary>
internal static class StoredImages
{
    /// <summary>Finds the image of a tag.</summary>
    /// <param name="store">The store.</param>
    /// <param name="name">Its name, with the tag.</param>
    /// <exception cref="CracException"><see cref="CracReason.NotAnImage"/>: there is none; <see cref="CracReason.ImageCorrupt"/>.</exception>
    internal static (StoreTag Tag, ArtifactManifest Manifest) Find(StoreLayout store, StoreName name)
    {
        string tag = name.Tag ?? throw LacksTag(name);
        Descriptor found = store.ReadIndex().Find(tag) ?? throw new CracException(
            CracReason.NotAnImage, $"The store {store.Path} has no image with the tag {tag}.", $"Get-CracImage {name.WithoutTag()} lists its images.");
        return (new StoreTag(tag, found), Read(store, found, name.ToString()));
    }

    /// <summary>The exception for the name of a store where an image is wanted.</summary>
    internal static CracException LacksTag(StoreName name) => new(
        CracReason.OptionRefused, $"{name} is a store, and no image in it: it has no tag.", $"Get-CracImage {name} lists its images.");

    /// <summary>Lists the images, in the order of the index.</summary>
    /// <param name="store">The store.</param>
    /// <param name="name">Its name.</param>
    /// <param name="failed">Receives tags whose manifest is damaged.</param>
    internal static IEnumerable<CracStoredImage> List(StoreLayout store, StoreName name, Action<StoreName, CracException> failed)
    {
        List<StoreTag> tags = [.. store.ReadIndex().Tags.Where(static each => each.Tag is not null && StoreName.IsTag(each.Tag))];
        foreach (StoreTag each in tags)
        {
            StoreName named = name.WithTag(each.Tag!);
            CracStoredImage? image = null;
            try
            {
                image = Show(named, each.Manifest, Read(store, each.Manifest, named.ToString()), tags);
            }
            catch (CracException e) when (e.Reason == CracReason.NotAnImage)
            {
                // Another artifact in the same store.
            }
            catch (CracException e)
            {
                failed(named, e);
            }

            if (image is not null)
            {
                yield return image;
            }
        }
    }

    /// <summary>The image of a tag, as it is shown.</summary>
    internal static CracStoredImage Show(StoreLayout store, StoreName name)
    {
        (StoreTag tag, ArtifactManifest manifest) = Find(store, name);
        return Show(name, tag.Manifest, manifest, [.. store.ReadIndex().Tags]);
    }

    /// <summary>Finds the image that has a manifest of its own with some hash; null if there is none.</summary>
    internal static (StoreTag Tag, ArtifactManifest Manifest)? FindIdentity(StoreLayout store, string identity)
    {
        foreach (StoreTag each in store.ReadIndex().Tags)
        {
            if (each.Tag is not null && TryRead(store, each.Manifest) is { } manifest && manifest.Identity == identity)
            {
                return (each, manifest);
            }
        }

        return null;
    }

    /// <summary>Reads a manifest of an image; null if it is of something else, or damaged.</summary>
    internal static ArtifactManifest? TryRead(StoreLayout store, Descriptor manifest)
    {
        try
        {
            return Read(store, manifest, manifest.Digest);
        }
        catch (CracException)
        {
            return null;
        }
    }

    private static CracStoredImage Show(StoreName name, Descriptor descriptor, ArtifactManifest manifest, List<StoreTag> tags) =>
        new(name, descriptor.Digest, manifest, manifest.BaseDigest is { } full ? tags.Find(each => each.Manifest.Digest == full)?.Tag : null);

    private static ArtifactManifest Read(StoreLayout store, Descriptor manifest, string where) =>
        ArtifactManifest.Parse(store.ReadBlob(manifest, ArtifactManifest.MaximumSize, where), where);
}
