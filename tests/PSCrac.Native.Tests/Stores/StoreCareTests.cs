using PSCrac.Archives;
using PSCrac.Stores;
using PSCrac.Tests.Archives;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Stores;

public class StoreCareTests
{
    [Fact]
    public void What_a_delta_needs_of_its_base_stays_when_the_base_is_removed()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        ArtifactManifest full = scene.ManifestOf("v1");
        using StoredScene later = StoreRoundTripTests.Changed(scene);
        scene.Export("v2", "v1", later.Image.Image);
        StoreCare.RemoveTag(scene.Name("v1"), CancellationToken.None);
        Assert.False(File.Exists(scene.BlobPath(full.Files)));
        Assert.True(File.Exists(scene.BlobPath(full.Own.Pages)));
        CracStoreOptimization done = StoreCare.Optimize(scene.StorePath, CancellationToken.None);
        Assert.Equal(0, done.RemovedCount);
        scene.Import("v2");
        Assert.Equal(SealedImage.ContentOf(later.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));
        StoreCare.RemoveTag(scene.Name("v2"), CancellationToken.None);
        Assert.Empty(scene.BlobNames());
        Assert.Equal(CracReason.NotAnImage, Assert.Throws<CracException>(() => StoreCare.RemoveTag(scene.Name("v2"), CancellationToken.None)).Reason);
    }

    [Fact]
    public void A_tag_of_a_store_in_use_is_removed_and_its_content_later()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        string[] blobs = scene.BlobNames();
        using (OpenedImage.Open(scene.Name("v1"), RegistryAccess.Usual, CancellationToken.None))
        {
            StoreCare.RemoveTag(scene.Name("v1"), CancellationToken.None);
            Assert.Equal(blobs, scene.BlobNames());
            Assert.Throws<CracException>(() => scene.ManifestOf("v1"));
        }

        CracStoreOptimization done = StoreCare.Optimize(scene.StorePath, CancellationToken.None);
        Assert.Equal((blobs.Length, 0, $"oci:{scene.StorePath}"), (done.RemovedCount, done.KeptCount, done.Path));
        Assert.Empty(scene.BlobNames());
    }

    [Fact]
    public async Task A_store_that_is_written_to_is_cleaned_afterwards_and_nothing_of_the_export_is_lost()
    {
        using var scene = new StoredScene();
        scene.Export("v0");
        Task<CracStoreOptimization>? cleaning = null;
        var request = new StoreExportRequest { Image = scene.Image.Image, Target = scene.Name("v1"), CompressionLevel = 1 };
        StoreExport.Run(request, new Reports(_ => cleaning ??= Task.Run(() => StoreCare.Optimize(scene.StorePath, CancellationToken.None))));
        Assert.Equal(0, (await cleaning!).RemovedCount);
        scene.Import("v1");
        Assert.Equal(SealedImage.ContentOf(scene.Image.Path), SealedImage.ContentOf(scene.Image.At("imported")));
    }

    [Fact]
    public void Nothing_is_removed_where_it_is_not_known_what_a_tag_needs()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        scene.Export("v2", image: scene.Image.Image);
        using StoreLayout store = StoreLayout.Open(scene.StorePath);
        Descriptor manifest = store.ReadIndex().Find("v1")!.Value;
        byte[] bytes = File.ReadAllBytes(scene.BlobPath(manifest));
        bytes[10] ^= 1;
        File.WriteAllBytes(scene.BlobPath(manifest), bytes);
        store.Dispose();
        string[] blobs = scene.BlobNames();
        Assert.Equal(CracReason.ImageCorrupt, Assert.Throws<CracException>(() => StoreCare.Optimize(scene.StorePath, CancellationToken.None)).Reason);
        Assert.Equal(blobs, scene.BlobNames());
    }

    [Fact]
    public void The_images_in_the_cache_are_found_again_and_the_longest_unused_go_first()
    {
        using var scene = new StoredScene();
        long before = CachedImage.MaximumSize;
        try
        {
            string first = Cached(scene, "v1");
            Assert.Equal(SealedImage.ContentOf(scene.Image.Path), SealedImage.ContentOf(first));
            File.WriteAllText(Path.Combine(first, "dump.log"), "still the same folder");
            Assert.Equal(first, Cached(scene, "v1"));
            Assert.True(File.Exists(Path.Combine(first, "dump.log")));

            using StoredScene second = StoreRoundTripTests.Changed(scene);
            scene.Export("v2", image: second.Image.Image);
            using StoredScene third = StoreRoundTripTests.Changed(second);
            scene.Export("v3", image: third.Image.Image);
            CachedImage.MaximumSize = SealedImage.PagesSize * 5 / 2;
            string other = Cached(scene, "v2");
            Cached(scene, "v1");
            using (OpenedImage opened = OpenedImage.Open(scene.Name("v2"), RegistryAccess.Usual, CancellationToken.None))
            using (CachedImage used = CachedImage.Open(opened, null, CancellationToken.None))
            {
                // The first was used longer ago, and the second is in use.
                string last = Cached(scene, "v3");
                Assert.True(Directory.Exists(last));
                Assert.True(Directory.Exists(other));
                Assert.False(Directory.Exists(first));
            }
        }
        finally
        {
            CachedImage.MaximumSize = before;
        }
    }

    private static string Cached(StoredScene scene, string tag)
    {
        if (!StoreLayout.Exists(scene.StorePath))
        {
            scene.Export(tag);
        }

        using var image = OpenedImage.Open(scene.Name(tag), RegistryAccess.Usual, CancellationToken.None);
        using var cached = CachedImage.Open(image, null, CancellationToken.None);
        Assert.Equal(scene.Name(tag).ToString(), cached.Image.StoredName);
        return cached.Image.Path;
    }
}
