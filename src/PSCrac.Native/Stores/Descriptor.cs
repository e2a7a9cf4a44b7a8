using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;

namespace PSCrac.Stores;

/// <summary>A reference to content by its hash (OCI content descriptor).</summary>
/// <param name="MediaType">The type of the content.</param>
/// <param name="Digest">The hash, as "sha256:" and 64 lower-case hexadecimal digits.</param>
/// <param name="Size">The size, in bytes.</param>
internal readonly record struct Descriptor(string MediaType, string Digest, long Size)
{
    /// <summary>What a digest begins with: the only algorithm that is written and read.</summary>
    internal const string Algorithm = "sha256:";

    private static readonly SearchValues<char> s_hexadecimal = SearchValues.Create("0123456789abcdef");

    /// <summary>The hexadecimal digits of the digest: the name of the blob in a layout.</summary>
    internal string Hex => Digest[Algorithm.Length..];

    /// <summary>The descriptor of some content.</summary>
    internal static Descriptor Of(string mediaType, ReadOnlySpan<byte> content) => new(mediaType, DigestOf(content), content.Length);

    /// <summary>The digest of some content.</summary>
    internal static string DigestOf(ReadOnlySpan<byte> content) => Algorithm + Convert.ToHexStringLower(SHA256.HashData(content));

    /// <summary>Whether a text is a digest. Only such a text names a file.</summary>
    internal static bool IsDigest(string? text) =>
        text is { Length: 71 } && text.StartsWith(Algorithm, StringComparison.Ordinal) && !text.AsSpan(Algorithm.Length).ContainsAnyExcept(s_hexadecimal);

    /// <summary>Reads a descriptor; null if it is not valid.</summary>
    internal static Descriptor? TryRead(JsonElement element) =>
        element.ValueKind == JsonValueKind.Object
        && element.TryGetProperty("mediaType", out JsonElement type) && type.ValueKind == JsonValueKind.String
        && element.TryGetProperty("digest", out JsonElement digest) && digest.ValueKind == JsonValueKind.String && IsDigest(digest.GetString())
        && element.TryGetProperty("size", out JsonElement size) && size.ValueKind == JsonValueKind.Number && size.TryGetInt64(out long bytes) && bytes >= 0
            ? new Descriptor(type.GetString()!, digest.GetString()!, bytes)
            : null;

    /// <summary>Writes it as a JSON object.</summary>
    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("mediaType", MediaType);
        writer.WriteString("digest", Digest);
        writer.WriteNumber("size", Size);
        writer.WriteEndObject();
    }
}
