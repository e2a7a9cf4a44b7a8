using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace PSCrac.Stores;

/// <summary>
/// The manifest of an image in a store: an OCI image manifest with an artifactType of PSCrac's and the empty configuration. Its layers
/// are the small files, the index of the pages and the pages; of a delta, behind them the index and the pages of its base. An encrypted
/// image has one layer, an archive of age's.
/// </summary>
internal sealed record ArtifactManifest
{
    /// <summary>The media type of an OCI image manifest.</summary>
    internal const string MediaType = "application/vnd.oci.image.manifest.v1+json";

    /// <summary>What the artifactType of all versions begins with.</summary>
    internal const string ArtifactTypePrefix = "application/vnd.pscrac.image.v";

    /// <summary>The artifactType of this version.</summary>
    internal const string ArtifactType = ArtifactTypePrefix + "1";

    /// <summary>The layer with the manifest, its signature and all other files but the pages: a tar file, compressed with zstd.</summary>
    internal const string FilesType = "application/vnd.pscrac.files.v1";

    /// <summary>The layer with the index of the groups of pages (<see cref="PageIndex"/>).</summary>
    internal const string IndexType = "application/vnd.pscrac.pages.index.v1";

    /// <summary>The layer with the groups of pages: zstd frames one after the other.</summary>
    internal const string PagesType = "application/vnd.pscrac.pages.v1";

    /// <summary>The only layer of an encrypted image: an archive of Export-CracImage -Recipient.</summary>
    internal const string EncryptedType = "application/vnd.pscrac.encrypted.v1";

    /// <summary>The largest manifest that is read, in bytes.</summary>
    internal const int MaximumSize = 1 << 20;

    private const string EmptyType = "application/vnd.oci.empty.v1+json";
    private const string CreatedKey = "org.opencontainers.image.created";
    private const string TitleKey = "org.opencontainers.image.title";
    private const string CommandKey = "pscrac.command";
    private const string ProcessIdKey = "pscrac.process-id";
    private const string MemoryKey = "pscrac.memory";
    private const string SizeKey = "pscrac.size";
    private const string SignerKey = "pscrac.claimed-signer";
    private const string BaseKey = "pscrac.base";
    private const string IdentityKey = "pscrac.manifest";

    /// <summary>The content of the empty configuration.</summary>
    internal static ReadOnlySpan<byte> EmptyConfiguration => "{}"u8;

    /// <summary>The layers.</summary>
    internal required IReadOnlyList<Descriptor> Layers { get; init; }

    /// <summary>The image's name at its export.</summary>
    internal string? Name { get; init; }

    /// <summary>When the checkpoint was taken, UTC.</summary>
    internal DateTimeOffset? Created { get; init; }

    /// <summary>The command line of the root, possibly shortened; null for an encrypted image.</summary>
    internal string? Command { get; init; }

    /// <summary>The process id of the root; null for an encrypted image.</summary>
    internal int? ProcessId { get; init; }

    /// <summary>The size of its pages when they are not compressed, in bytes.</summary>
    internal long Memory { get; init; }

    /// <summary>The size of all of its files, in bytes.</summary>
    internal long Size { get; init; }

    /// <summary>The key that the image claims to be signed with; null for none.</summary>
    internal string? ClaimedSigner { get; init; }

    /// <summary>The digest of the manifest of the base; null for a full image.</summary>
    internal string? BaseDigest { get; init; }

    /// <summary>The digest of the image's own manifest, pscrac.json, by which a later image of the restored process finds it; null for none.</summary>
    internal string? Identity { get; init; }

    /// <summary>Whether it is encrypted.</summary>
    internal bool IsEncrypted => Layers is [{ MediaType: EncryptedType }];

    /// <summary>Whether it needs the pages of a base.</summary>
    internal bool IsDelta => Layers.Count == 5;

    /// <summary>The layer of the small files.</summary>
    internal Descriptor Files => Layers[0];

    /// <summary>The index and the pages.</summary>
    internal (Descriptor Index, Descriptor Pages) Own => (Layers[1], Layers[2]);

    /// <summary>The index and the pages of the full image that this one builds on or, if it is full, its own.</summary>
    internal (Descriptor Index, Descriptor Pages) Full => IsDelta ? (Layers[3], Layers[4]) : Own;

    /// <summary>The size of the layers that are its own, in bytes.</summary>
    internal long StoredSize => Layers.Take(3).Sum(static layer => layer.Size);

    /// <summary>Writes the manifest. The same content gives the same bytes.</summary>
    internal byte[] ToBytes()
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            writer.WriteNumber("schemaVersion", 2);
            writer.WriteString("mediaType", MediaType);
            writer.WriteString("artifactType", ArtifactType);
            writer.WritePropertyName("config");
            Descriptor.Of(EmptyType, EmptyConfiguration).Write(writer);
            writer.WriteStartArray("layers");
            foreach (Descriptor layer in Layers)
            {
                layer.Write(writer);
            }

            writer.WriteEndArray();
            writer.WriteStartObject("annotations");
            foreach ((string key, string? value) in Annotations())
            {
                if (value is not null)
                {
                    writer.WriteString(key, value);
                }
            }

            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>Reads a manifest.</summary>
    /// <param name="bytes">Its content.</param>
    /// <param name="where">The name of what has it, for messages.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.NotAnImage"/>: it is of something else; <see cref="CracReason.ImageTooNew"/>: of a later version;
    /// <see cref="CracReason.ImageCorrupt"/>: it is damaged.
    /// </exception>
    internal static ArtifactManifest Parse(ReadOnlyMemory<byte> bytes, string where)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes);
            RequireType(document.RootElement, where);
            var layers = new List<Descriptor>();
            foreach (JsonElement each in document.RootElement.GetProperty("layers").EnumerateArray())
            {
                layers.Add(Descriptor.TryRead(each) ?? throw Damaged(where, "a layer has no valid descriptor"));
            }

            return HasKnownLayers(layers) ? Read(layers, document.RootElement) : throw Damaged(where, "its layers are not those of an image");
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw Damaged(where, e.Message.TrimEnd('.'));
        }
    }

    private static ArtifactManifest Read(List<Descriptor> layers, JsonElement root)
    {
        var read = new Dictionary<string, string>(StringComparer.Ordinal);
        if (root.TryGetProperty("annotations", out JsonElement annotations) && annotations.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty each in annotations.EnumerateObject())
            {
                if (each.Value.ValueKind == JsonValueKind.String)
                {
                    read[each.Name] = each.Value.GetString()!;
                }
            }
        }

        string? baseDigest = read.GetValueOrDefault(BaseKey);
        string? identity = read.GetValueOrDefault(IdentityKey);
        return new ArtifactManifest
        {
            Layers = layers,
            Name = read.GetValueOrDefault(TitleKey),
            Created = DateTimeOffset.TryParse(read.GetValueOrDefault(CreatedKey), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset created) ? created : null,
            Command = read.GetValueOrDefault(CommandKey),
            ProcessId = int.TryParse(read.GetValueOrDefault(ProcessIdKey), NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id : null,
            Memory = ReadNumber(read, MemoryKey),
            Size = ReadNumber(read, SizeKey),
            ClaimedSigner = read.GetValueOrDefault(SignerKey),
            BaseDigest = Descriptor.IsDigest(baseDigest) ? baseDigest : null,
            Identity = Descriptor.IsDigest(identity) ? identity : null,
        };
    }

    private static long ReadNumber(Dictionary<string, string> read, string key) =>
        long.TryParse(read.GetValueOrDefault(key), NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : 0;

    private static bool HasKnownLayers(List<Descriptor> layers) => layers switch
    {
        [{ MediaType: EncryptedType }] => true,
        [{ MediaType: FilesType }, { MediaType: IndexType }, { MediaType: PagesType }] => true,
        [{ MediaType: FilesType }, { MediaType: IndexType }, { MediaType: PagesType }, { MediaType: IndexType }, { MediaType: PagesType }] => true,
        _ => false,
    };

    private static void RequireType(JsonElement root, string where)
    {
        string? type = root.TryGetProperty("artifactType", out JsonElement artifact) && artifact.ValueKind == JsonValueKind.String ? artifact.GetString() : null;
        if (type?.StartsWith(ArtifactTypePrefix, StringComparison.Ordinal) != true)
        {
            throw new CracException(CracReason.NotAnImage, $"{where} is no image of PSCrac, but {type ?? "a container image or another artifact"}.", "Get-CracImage lists the images of a store.");
        }

        if (type != ArtifactType)
        {
            throw new CracException(
                CracReason.ImageTooNew, $"{where} has the type {type}, which is newer than this version of PSCrac reads.", "Install a newer PSCrac; Get-Module PSCrac shows the version of this one.");
        }
    }

    private static CracException Damaged(string where, string what) => new(
        CracReason.ImageCorrupt, $"The artifact manifest of {where} is damaged: {what}.", "Get the image again from its source, or export it again with Export-CracImage.");

    private IEnumerable<(string Key, string? Value)> Annotations()
    {
        yield return (TitleKey, Name);
        yield return (CreatedKey, Created?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        yield return (CommandKey, Command);
        yield return (ProcessIdKey, ProcessId?.ToString(CultureInfo.InvariantCulture));
        yield return (MemoryKey, Memory.ToString(CultureInfo.InvariantCulture));
        yield return (SizeKey, Size.ToString(CultureInfo.InvariantCulture));
        yield return (SignerKey, ClaimedSigner);
        yield return (BaseKey, BaseDigest);
        yield return (IdentityKey, Identity);
    }
}
