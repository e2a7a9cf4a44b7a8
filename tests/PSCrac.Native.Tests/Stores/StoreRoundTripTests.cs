using PSCrac.Archives;
using PSCrac.Images.Manifest;
using PSCrac.Stores;
using PSCrac.Tests.Archives;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Stores;

public class StoreRoundTripTests
{
    private const UnixFileMode PrivateFile = (UnixFileMode)0x180;
    private const UnixFileMode PrivateFolder = (UnixFileMode)0x1C0;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_full_image_is_imported_as_it_was(bool isMapped)
    {
        using var scene = new StoredScene(isMapped: isMapped);
        StoreExportResult exported = scene.Export("v1");
        Assert.Null(exported.Base);
        Assert.Equal((SealedImage.PagesSize, "v1", $"oci:{scene.StorePath}:v1"), (exported.Image.Memory, exported.Image.Tag, exported.Image.Path));
        Assert.InRange(exported.Image.StoredSize, SealedImage.PagesSize / 2, SealedImage.PagesSize * 6 / 10);
        Assert.Empty(scene.Import("v1").Warnings);
        Assert.Equal(SealedImage.ContentOf(scene.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));
        Assert.Equal(PrivateFolder, File.GetUnixFileMode(scene.Image.At("imported")));
    }

    [Fact]
    public void The_store_is_private_and_an_OCI_layout()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        Assert.Equal(PrivateFolder, File.GetUnixFileMode(scene.StorePath));
        Assert.All(Directory.GetFiles(scene.StorePath, "*", SearchOption.AllDirectories), static file => Assert.Equal(PrivateFile, File.GetUnixFileMode(file)));
        Assert.Equal("{\"imageLayoutVersion\":\"1.0.0\"}", File.ReadAllText(Path.Combine(scene.StorePath, "oci-layout")));
        Assert.Equal(["blobs", "index.json", "oci-layout"], Directory.GetFileSystemEntries(scene.StorePath).Select(static path => Path.GetFileName(path)!).Order(StringComparer.Ordinal));
        Assert.All(scene.BlobNames(), name => Assert.Equal(name, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(Path.Combine(scene.StorePath, "blobs/sha256", name))))));
    }

    [Fact]
    public void The_same_image_has_the_same_digest_and_takes_no_more_space()
    {
        using var scene = new StoredScene();
        string first = scene.Export("v1").Image.Digest;
        string[] blobs = scene.BlobNames();
        Assert.Equal(first, scene.Export("again").Image.Digest);
        Assert.Equal(blobs, scene.BlobNames());
    }

    [Fact]
    public void A_delta_has_what_changed_and_is_imported_as_it_was()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        using StoredScene later = Changed(scene);
        StoreExportResult delta = scene.Export("v2", "v1", later.Image.Image);
        Assert.Equal(("v1", "v1"), (delta.Base, delta.Image.Base));
        Assert.InRange(delta.Image.StoredSize, 1, 40_000);
        Assert.Equal(scene.ManifestOf("v1").Own, scene.ManifestOf("v2").Full);
        scene.Import("v2");
        Assert.Equal(SealedImage.ContentOf(later.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));
    }

    [Fact]
    public void A_delta_whose_base_is_a_delta_builds_on_the_full_image()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        using StoredScene second = Changed(scene);
        using StoredScene third = Changed(second);
        scene.Export("v2", "v1", second.Image.Image);
        scene.Export("v3", "v2", third.Image.Image);
        Assert.Equal(scene.ManifestOf("v1").Own, scene.ManifestOf("v3").Full);
        Assert.Equal(5, scene.ManifestOf("v3").Layers.Count);
        scene.Import("v3");
        Assert.Equal(SealedImage.ContentOf(third.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));
    }

    [Fact]
    public void Shared_memory_is_the_same_whatever_number_the_kernel_gave_it()
    {
        byte[] pages = new byte[3 << 20];
        new Random(4).NextBytes(pages);
        using var scene = new StoredScene(pages, map: "pagemap-shmem-370960.img");
        scene.Export("v1");
        pages[1 << 20] ^= 1;
        using var later = new StoredScene(pages, map: "pagemap-shmem-370969.img");
        StoreExportResult delta = scene.Export("v2", "v1", later.Image.Image);
        Assert.InRange(delta.Image.StoredSize, 1, 20_000);
        scene.Import("v2");
        Assert.Equal(SealedImage.ContentOf(later.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));
    }

    [Fact]
    public void Pages_are_held_against_their_hashes_where_the_manifest_has_them_as_that_of_a_signed_image_does()
    {
        using var scene = new StoredScene();
        ImageManifest manifest = scene.Image.Image.Manifest!;
        manifest = manifest with
        {
            Files = [.. manifest.Files.Select(file => file with { Sha256 = SealedImage.ContentOf(scene.Image.Path)[file.Name] })],
        };
        using (FileStream file = File.Create(Path.Combine(scene.Image.Path, ImageManifest.FileName)))
        {
            manifest.Write(file);
        }

        scene.Export("v1");
        scene.Import("v1");
        Assert.Equal(SealedImage.ContentOf(scene.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));

        // The same manifest over other pages.
        byte[] pages = File.ReadAllBytes(Path.Combine(scene.Image.Path, "pages-1.img"));
        pages[77] ^= 1;
        scene.Image.Write("pages-1.img", pages);
        scene.Export("v2");
        CracException thrown = Assert.Throws<CracException>(() => scene.Import("v2", "other"));
        Assert.Equal((CracReason.ImageCorrupt, "pages-1.img"), (thrown.Reason, thrown.FileName));
        Assert.False(Path.Exists(scene.Image.At("other")));
    }

    [Fact]
    public void A_delta_against_what_is_quite_different_is_imported_as_it_was_too()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        byte[] other = new byte[5 << 20];
        new Random(99).NextBytes(other);
        using var stranger = new StoredScene(other);
        scene.Export("v2", "v1", stranger.Image.Image);
        scene.Import("v2");
        Assert.Equal(SealedImage.ContentOf(stranger.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));
    }

    [Fact]
    public void An_image_without_pages_is_exported_too()
    {
        using var scene = new StoredScene([], isMapped: false);
        scene.Export("v1");
        scene.Import("v1");
        Assert.Equal(SealedImage.ContentOf(scene.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));
    }

    [Fact]
    public void A_tag_that_is_there_is_moved_only_with_force()
    {
        using var scene = new StoredScene();
        string first = scene.Export("v1").Image.Digest;
        using StoredScene later = Changed(scene);
        CracException thrown = Assert.Throws<CracException>(() => scene.Export("v1", image: later.Image.Image));
        Assert.Equal((CracReason.ImageExists, CracOperation.Export), (thrown.Reason, thrown.Operation));
        Assert.NotEqual(first, scene.Export("v1", image: later.Image.Image, force: true).Image.Digest);
        scene.Import("v1");
        Assert.Equal(SealedImage.ContentOf(later.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));
    }

    [Fact]
    public void Exports_at_the_same_time_keep_all_tags()
    {
        using var scene = new StoredScene();
        Parallel.For(0, 12, i => scene.Export($"v{i}"));
        using StoreLayout store = StoreLayout.Open(scene.StorePath);
        Assert.Equal(Enumerable.Range(0, 12).Select(static i => $"v{i}").Order(StringComparer.Ordinal), store.ReadIndex().Tags.Select(static each => each.Tag).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(scene.BlobNames(), static name => name[0] == '.');
    }

    [Fact]
    public void What_a_killed_export_left_is_removed_by_the_next()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        File.WriteAllText(Path.Combine(scene.StorePath, "blobs/sha256/.pscrac-left.partial"), "secret");
        using (StoreLayout used = StoreLayout.Open(scene.StorePath))
        {
            scene.Export("v2");
            Assert.Contains(".pscrac-left.partial", scene.BlobNames());
        }

        scene.Export("v3");
        Assert.DoesNotContain(".pscrac-left.partial", scene.BlobNames());
    }

    [ProgramFact("age")]
    public void An_encrypted_image_is_one_layer_of_age_and_tells_nothing_of_its_process()
    {
        using var scene = new StoredScene();
        (int code, string error) = CriuProgram.RunProgram("age-keygen", "-o", scene.Image.At("key"));
        Assert.True(code == 0, error);
        string recipient = File.ReadLines(scene.Image.At("key")).Single(static line => line.Contains("public key: ", StringComparison.Ordinal)).Split(": ")[1];
        StoreExportResult exported = scene.Export("v1", recipients: AgeRecipients.Read([recipient], static path => path));
        Assert.True(exported.Image.IsEncrypted);
        Assert.Equal((null, null, null), (exported.Image.Command, exported.Image.RootProcessId, exported.Image.ClaimedSigner));
        Assert.Single(scene.ManifestOf("v1").Layers);
        Assert.Equal(CracReason.DecryptionFailed, Assert.Throws<CracException>(() => scene.Import("v1")).Reason);
        scene.Import("v1", change: request => request with { Identities = [scene.Image.At("key")] });
        Assert.Equal(SealedImage.ContentOf(scene.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));
        Assert.Equal(CracReason.OptionRefused, Assert.Throws<CracException>(() => scene.Export("v2", "v1")).Reason);
    }

    /// <summary>The image of the same process later: some pages differ, and some are new.</summary>
    internal static StoredScene Changed(StoredScene scene)
    {
        byte[] pages = File.ReadAllBytes(Path.Combine(scene.Image.Path, "pages-1.img"));
        var random = new Random(pages.Length);
        for (int i = 0; i < 20; i++)
        {
            pages.AsSpan(random.Next(pages.Length - 100), 50).Fill((byte)i);
        }

        return new StoredScene([.. pages, .. new byte[16384]]);
    }
}
