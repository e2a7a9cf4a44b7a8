using System.Text.Json;

namespace PSCrac.Stores;

/// <summary>Images in a registry, through skopeo.</summary>
/// <param name="access">How it is reached.</param>
internal sealed class Registry(RegistryAccess access)
{
    // A listing asks for each tag; a registry answers several at once.
    private const int MaximumQueries = 4;

    /// <summary>The tags of a repository, ordered by name.</summary>
    /// <exception cref="CracException">It cannot be read.</exception>
    internal IReadOnlyList<string> ListTags(StoreName repository, CancellationToken cancellation)
    {
        byte[] answer = Skopeo.Run(repository, ["list-tags", .. access.Options(""), UriOf(repository.WithoutTag())], cancellation);
        try
        {
            using JsonDocument document = JsonDocument.Parse(answer);
            return [.. document.RootElement.GetProperty("Tags").EnumerateArray().Select(static each => each.GetString()!).Where(StoreName.IsTag).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new CracException(CracReason.Unknown, $"skopeo's list of the tags of {repository} cannot be read: {e.Message}", "Look at it: skopeo list-tags.", e);
        }
    }

    /// <summary>Reads the manifest of a tag.</summary>
    /// <returns>Its bytes, whose hash is its digest.</returns>
    internal byte[] ReadManifest(StoreName name, CancellationToken cancellation) =>
        Skopeo.Run(name, ["inspect", "--raw", .. access.Options(""), UriOf(name)], cancellation);

    /// <summary>Lists the images of a repository, ordered by tag. Tags of something else are passed over.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="failed">Receives tags that cannot be read.</param>
    /// <param name="cancellation">Ends it.</param>
    internal IReadOnlyList<CracStoredImage> List(StoreName repository, Action<StoreName, CracException> failed, CancellationToken cancellation)
    {
        IReadOnlyList<string> tags = ListTags(repository, cancellation);
        (string Digest, ArtifactManifest? Manifest, CracException? Failure)[] read = ReadAll(repository, tags, cancellation);
        var images = new List<CracStoredImage>();
        for (int i = 0; i < tags.Count; i++)
        {
            StoreName name = repository.WithTag(tags[i]);
            if (read[i].Failure is { } failure && failure.Reason != CracReason.NotAnImage)
            {
                failed(name, failure);
            }

            if (read[i].Manifest is { } manifest)
            {
                int full = manifest.BaseDigest is null ? -1 : Array.FindIndex(read, each => each.Digest == manifest.BaseDigest);
                images.Add(new CracStoredImage(name, read[i].Digest, manifest, full < 0 ? null : tags[full]));
            }
        }

        return images;
    }

    /// <summary>The image of a tag, as it is shown.</summary>
    internal CracStoredImage Show(StoreName name, CancellationToken cancellation)
    {
        byte[] manifest = ReadManifest(name, cancellation);
        return new CracStoredImage(name, Descriptor.DigestOf(manifest), ArtifactManifest.Parse(manifest, name.ToString()), null);
    }

    /// <summary>Copies an image to a layout. Content that is there is not transferred again.</summary>
    /// <param name="name">The repository.</param>
    /// <param name="digest">The digest of the manifest: a tag may move meanwhile.</param>
    /// <param name="store">The layout. Its index is not changed.</param>
    /// <param name="cancellation">Ends it.</param>
    internal void Pull(StoreName name, string digest, StoreLayout store, CancellationToken cancellation)
    {
        using var way = TransferFolder.Create();
        Skopeo.Run(
            name,
            [
                "copy", "--quiet", "--preserve-digests", "--dest-oci-accept-uncompressed-layers", .. access.Options("src-"), $"--dest-shared-blob-dir={store.BlobsPath}",
                $"docker://{name.Host}/{name.Repository}@{digest}", $"oci:{way.Path}:{TransferFolder.Tag}",
            ],
            cancellation);
    }

    /// <summary>Copies an image from a layout. Content that is there is not transferred again.</summary>
    /// <param name="store">The layout.</param>
    /// <param name="manifest">The manifest of the image.</param>
    /// <param name="name">The name that it gets.</param>
    /// <param name="cancellation">Ends it.</param>
    internal void Push(StoreLayout store, Descriptor manifest, StoreName name, CancellationToken cancellation)
    {
        using var way = TransferFolder.Create();
        way.Offer(manifest);
        Skopeo.Run(
            name,
            ["copy", "--quiet", "--preserve-digests", .. access.Options("dest-"), $"--src-shared-blob-dir={store.BlobsPath}", $"oci:{way.Path}:{TransferFolder.Tag}", UriOf(name)],
            cancellation);
    }

    /// <summary>Whether there is an image with a tag.</summary>
    internal bool Contains(StoreName name, CancellationToken cancellation)
    {
        try
        {
            ReadManifest(name, cancellation);
            return true;
        }
        catch (CracException e) when (e.Reason == CracReason.NotAnImage)
        {
            return false;
        }
    }

    /// <summary>Removes a tag. A registry removes all tags of a digest at once, so one that others share is refused.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageInUse"/>: another tag has the same digest; <see cref="CracReason.ResourceUnsupported"/>: deletion is switched off.</exception>
    internal void Remove(StoreName name, CancellationToken cancellation)
    {
        string digest = Descriptor.DigestOf(ReadManifest(name, cancellation));
        IReadOnlyList<string> others = [.. ListTags(name, cancellation).Where(tag => tag != name.Tag)];
        (string Digest, ArtifactManifest? Manifest, CracException? Failure)[] read = ReadAll(name, others, cancellation);
        int shared = Array.FindIndex(read, each => each.Digest == digest);
        if (shared >= 0)
        {
            throw new CracException(
                CracReason.ImageInUse,
                $"{name} and the tag {others[shared]} are the same image, and a registry would remove both.",
                $"Move one of them first to another image, or remove {name.WithTag(others[shared])} when neither is needed.");
        }

        Skopeo.Run(name, ["delete", .. access.Options(""), UriOf(name)], cancellation);
    }

    private static string UriOf(StoreName name) => $"docker://{name.Host}/{name.Repository}{(name.Tag is null ? "" : $":{name.Tag}")}";

    private (string Digest, ArtifactManifest? Manifest, CracException? Failure)[] ReadAll(StoreName repository, IReadOnlyList<string> tags, CancellationToken cancellation)
    {
        var read = new (string, ArtifactManifest?, CracException?)[tags.Count];
        Parallel.For(
            0,
            tags.Count,
            new ParallelOptions { MaxDegreeOfParallelism = MaximumQueries, CancellationToken = cancellation },
            i =>
            {
                StoreName name = repository.WithTag(tags[i]);
                string digest = "";
                try
                {
                    byte[] manifest = ReadManifest(name, cancellation);
                    digest = Descriptor.DigestOf(manifest);
                    read[i] = (digest, ArtifactManifest.Parse(manifest, name.ToString()), null);
                }
                catch (CracException e)
                {
                    read[i] = (digest, null, e);
                }
            });
        return read;
    }
}
