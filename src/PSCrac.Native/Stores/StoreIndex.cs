using System.Text.Json;
using System.Text.Json.Nodes;

namespace PSCrac.Stores;

/// <summary>A tag of a store.</summary>
/// <param name="Tag">The tag; null where the index has none.</param>
/// <param name="Manifest">The manifest that it is for.</param>
internal sealed record StoreTag(string? Tag, Descriptor Manifest);

/// <summary>The index of a layout: tags and the manifests they are for. What other programs wrote in it is kept as it is.</summary>
internal sealed class StoreIndex
{
    private const string TagKey = "org.opencontainers.image.ref.name";
    private const string Manifests = "manifests";
    private const string Annotations = "annotations";
    private readonly JsonObject _root;
    private readonly JsonArray _manifests;

    private StoreIndex(JsonObject root, JsonArray manifests)
    {
        _root = root;
        _manifests = manifests;
    }

    /// <summary>The entries, in their order. What has no valid descriptor is passed over.</summary>
    internal IEnumerable<StoreTag> Tags
    {
        get
        {
            foreach (JsonNode? each in _manifests)
            {
                if (each is JsonObject entry && ReadDescriptor(entry) is { } descriptor)
                {
                    yield return new StoreTag(TagOf(entry), descriptor);
                }
            }
        }
    }

    /// <summary>Reads an index.</summary>
    /// <exception cref="CracException"><see cref="CracReason.ImageCorrupt"/>.</exception>
    internal static StoreIndex Parse(byte[] bytes, string path)
    {
        try
        {
            if (JsonNode.Parse(bytes) is JsonObject root && root[Manifests] is JsonArray manifests)
            {
                return new StoreIndex(root, manifests);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            throw Damaged(path, e);
        }

        throw Damaged(path, null);
    }

    /// <summary>The manifest of a tag; null if there is no such tag.</summary>
    internal Descriptor? Find(string tag) => Tags.FirstOrDefault(each => each.Tag == tag)?.Manifest;

    /// <summary>Sets a tag.</summary>
    internal void Set(string tag, Descriptor manifest)
    {
        Remove(tag);
        _manifests.Add((JsonNode)new JsonObject
        {
            ["mediaType"] = manifest.MediaType,
            ["digest"] = manifest.Digest,
            ["size"] = manifest.Size,
            ["artifactType"] = ArtifactManifest.ArtifactType,
            [Annotations] = new JsonObject { [TagKey] = tag },
        });
    }

    /// <summary>Removes a tag.</summary>
    /// <returns>Whether it was there.</returns>
    internal bool Remove(string tag)
    {
        bool isRemoved = false;
        for (int i = _manifests.Count - 1; i >= 0; i--)
        {
            if (_manifests[i] is JsonObject entry && TagOf(entry) == tag)
            {
                _manifests.RemoveAt(i);
                isRemoved = true;
            }
        }

        return isRemoved;
    }

    /// <summary>The index as JSON.</summary>
    internal byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
        {
            _root.WriteTo(writer);
        }

        return stream.ToArray();
    }

    private static string? TagOf(JsonObject entry) =>
        entry[Annotations] is JsonObject annotations && annotations[TagKey] is JsonValue value && value.TryGetValue(out string? tag) ? tag : null;

    private static Descriptor? ReadDescriptor(JsonObject entry) =>
        entry["digest"] is JsonValue digest && digest.TryGetValue(out string? text) && Descriptor.IsDigest(text)
        && entry["size"] is JsonValue size && size.TryGetValue(out long bytes) && bytes >= 0
            ? new Descriptor(entry["mediaType"] is JsonValue type && type.TryGetValue(out string? name) ? name : "", text!, bytes)
            : null;

    private static CracException Damaged(string path, Exception? cause) => new(
        CracReason.ImageCorrupt, $"The {StoreLayout.IndexName} of the store {path} is damaged{(cause is null ? "" : $": {cause.Message.TrimEnd('.')}")}.", "Restore it from a backup, or export the images to a new store.", cause);
}
