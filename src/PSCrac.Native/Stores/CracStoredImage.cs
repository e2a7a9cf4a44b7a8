using PSCrac.Stores;

namespace PSCrac;

/// <summary>An image in a store: a tag of an OCI image layout or of a registry. Nothing of its pages was read.</summary>
public sealed class CracStoredImage
{
    private readonly ArtifactManifest _manifest;

    internal CracStoredImage(StoreName name, string digest, ArtifactManifest manifest, string? baseTag)
    {
        StoreName = name;
        Digest = digest;
        _manifest = manifest;
        Base = manifest.BaseDigest is null ? null : baseTag ?? manifest.BaseDigest;
    }

    /// <summary>The tag.</summary>
    public string Tag => StoreName.Tag!;

    /// <summary>The name by which cmdlets take it: oci:FOLDER:TAG or oci://HOST/REPOSITORY:TAG.</summary>
    public string Path => StoreName.ToString();

    /// <summary>The image's name at its export. Anyone who can write to the store can write this, and what follows: it is not verified.</summary>
    public string Name => _manifest.Name ?? Tag;

    /// <summary>When the checkpoint was taken, in local time; null if that is not recorded.</summary>
    public DateTime? Created => _manifest.Created?.LocalDateTime;

    /// <summary>The process id of the tree's root; null for an encrypted image.</summary>
    public int? RootProcessId => _manifest.ProcessId;

    /// <summary>The root's command line; null for an encrypted image.</summary>
    public string? Command => _manifest.Command;

    /// <summary>The size of the dumped memory, in bytes, when it is not compressed.</summary>
    public long Memory => _manifest.Memory;

    /// <summary>The size of the imported image, in bytes.</summary>
    public long Size => _manifest.Size;

    /// <summary>What it takes in the store without what it shares with its base, in bytes.</summary>
    public long StoredSize => _manifest.StoredSize;

    /// <summary>
    /// The tag of the full image that it builds on, or that image's digest where the store has no tag for it any more; null for a full image.
    /// The pages of the base that it needs belong to this image too.
    /// </summary>
    public string? Base { get; }

    /// <summary>The key that it claims to be signed with; null if it is not signed, or encrypted.</summary>
    public string? ClaimedSigner => _manifest.ClaimedSigner;

    /// <summary>Whether it is encrypted.</summary>
    public bool IsEncrypted => _manifest.IsEncrypted;

    /// <summary>The digest of its artifact manifest: the same image in another store has the same one.</summary>
    public string Digest { get; }

    /// <inheritdoc/>
    public override string ToString() => Path;

    internal StoreName StoreName { get; }

    internal ArtifactManifest Manifest => _manifest;
}
