using System.Text.Json.Nodes;
using PSCrac.Stores;
using PSCrac.Tests.Archives;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Stores;

public class StoreDamageTests
{
    [Fact]
    public void A_flipped_bit_in_any_content_is_found_and_nothing_is_imported()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        using StoredScene later = StoreRoundTripTests.Changed(scene);
        scene.Export("v2", "v1", later.Image.Image);
        foreach (Descriptor layer in scene.ManifestOf("v2").Layers)
        {
            byte[] whole = File.ReadAllBytes(scene.BlobPath(layer));
            foreach (int offset in (int[])[0, whole.Length / 3, whole.Length - 1])
            {
                byte[] flipped = [.. whole];
                flipped[offset] ^= 1;
                File.WriteAllBytes(scene.BlobPath(layer), flipped);
                Refused(scene, "v2", CracReason.ImageCorrupt);
            }

            File.WriteAllBytes(scene.BlobPath(layer), whole[..^1]);
            Refused(scene, "v2", CracReason.ImageIncomplete);
            File.Delete(scene.BlobPath(layer));
            Refused(scene, "v2", CracReason.ImageIncomplete);
            File.WriteAllBytes(scene.BlobPath(layer), whole);
        }

        scene.Import("v2");
    }

    [Fact]
    public void Any_mutation_of_an_index_of_pages_is_refused_or_harmless()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        (Descriptor index, Descriptor pages) = scene.ManifestOf("v1").Own;
        byte[] whole = File.ReadAllBytes(scene.BlobPath(index));
        var random = new Random(5);
        int refused = 0;
        for (int i = 0; i < 3000; i++)
        {
            byte[] mutant = [.. whole];
            for (int n = random.Next(1, 4); n > 0; n--)
            {
                mutant[random.Next(mutant.Length)] = (byte)random.Next(256);
            }

            try
            {
                PageIndex.Parse(mutant.AsSpan(0, random.Next(4) == 0 ? random.Next(mutant.Length) : mutant.Length), pages.Size, mayRefer: random.Next(2) == 0, "it");
            }
            catch (CracException e) when (e.Reason is CracReason.ImageCorrupt or CracReason.ImageTooNew)
            {
                refused++;
            }
        }

        Assert.InRange(refused, 500, 3000);
    }

    [Theory]
    [InlineData("../../../etc/x.img")]
    [InlineData("pages-1.img/../x.img")]
    [InlineData("inventory.img")]
    [InlineData("pages-1\n.img")]
    [InlineData("pages-1.img", "pages-1.img")]
    public void An_index_names_only_pages_files_each_once(params string[] names)
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        using (StoreLayout store = StoreLayout.Make(scene.StorePath))
        {
            ArtifactManifest manifest = scene.ManifestOf("v1");
            byte[] pages = File.ReadAllBytes(scene.BlobPath(manifest.Own.Pages));
            PageIndex read = PageIndex.Parse(File.ReadAllBytes(scene.BlobPath(manifest.Own.Index)), pages.Length, false, "it");
            using var index = new PageIndex.Builder();
            using var stored = new MemoryStream();
            foreach (string name in names)
            {
                index.BeginFile(name, "");
                foreach (StoredGroup group in read.Files[0].Groups)
                {
                    index.Add(group.Address, group.Length, group.StoredLength, read.DigestOf(group));
                    stored.Write(pages, (int)group.Offset, group.StoredLength);
                }
            }

            Descriptor[] layers = [manifest.Files, BlobWriter.Put(store, ArtifactManifest.IndexType, index.ToBytes()), BlobWriter.Put(store, ArtifactManifest.PagesType, stored.ToArray())];
            Tag(store, "hostile", (manifest with { Layers = layers }).ToBytes());
        }

        Refused(scene, "hostile", CracReason.NotAnImage);
        Assert.False(Path.Exists("/etc/x.img"));
    }

    [Theory]
    [InlineData("{}", CracReason.NotAnImage)]
    [InlineData("{\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\"},\"layers\":[]}", CracReason.NotAnImage)]
    [InlineData("{\"artifactType\":\"application/vnd.other\",\"layers\":[]}", CracReason.NotAnImage)]
    [InlineData("{\"artifactType\":\"application/vnd.pscrac.image.v2\",\"layers\":[]}", CracReason.ImageTooNew)]
    [InlineData("{\"artifactType\":\"application/vnd.pscrac.image.v1\",\"layers\":[]}", CracReason.ImageCorrupt)]
    [InlineData("{\"artifactType\":\"application/vnd.pscrac.image.v1\"}", CracReason.ImageCorrupt)]
    [InlineData("{\"artifactType\":\"application/vnd.pscrac.image.v1\",\"layers\":[{\"mediaType\":\"application/vnd.pscrac.files.v1\",\"digest\":\"sha256:../../x\",\"size\":1}]}", CracReason.ImageCorrupt)]
    [InlineData("[1", CracReason.ImageCorrupt)]
    [InlineData("7", CracReason.ImageCorrupt)]
    public void A_manifest_of_something_else_is_told_so(string text, CracReason reason)
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        using (StoreLayout store = StoreLayout.Make(scene.StorePath))
        {
            Tag(store, "other", System.Text.Encoding.UTF8.GetBytes(text));
        }

        CracException thrown = Assert.Throws<CracException>(() => scene.ManifestOf("other"));
        Assert.Equal(reason, thrown.Reason);
        Assert.False(string.IsNullOrEmpty(thrown.RecommendedAction));
    }

    [Fact]
    public void What_others_wrote_in_the_index_is_kept()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        string path = Path.Combine(scene.StorePath, "index.json");
        JsonNode root = JsonNode.Parse(File.ReadAllText(path))!;
        root["annotations"] = new JsonObject { ["org.example"] = "mine" };
        ((JsonArray)root["manifests"]!).Add((JsonNode)new JsonObject { ["mediaType"] = "x", ["digest"] = "sha256:" + new string('0', 64), ["size"] = 1, ["platform"] = new JsonObject { ["os"] = "linux" } });
        ((JsonArray)root["manifests"]!).Add((JsonNode)new JsonObject { ["mediaType"] = 7 });
        File.WriteAllText(path, root.ToJsonString());
        scene.Export("v2");
        string text = File.ReadAllText(path);
        Assert.Contains("org.example", text, StringComparison.Ordinal);
        Assert.Contains("platform", text, StringComparison.Ordinal);
        Assert.Equal(SealedImage.PagesSize, scene.ManifestOf("v2").Memory);
    }

    [RootFact]
    public void A_full_disk_leaves_the_store_as_it_was()
    {
        using var disk = new SmallDisk(3);
        using var scene = new StoredScene();
        var request = new StoreExportRequest { Image = scene.Image.Image, Target = StoreName.Parse($"oci:{disk.At("store")}:v1") };
        StoreExport.Run(request);
        string[] before = Directory.GetFiles(disk.At("store"), "*", SearchOption.AllDirectories);
        byte[] noise = new byte[3 << 20];
        new Random(2).NextBytes(noise);
        using var other = new StoredScene(noise);
        CracException thrown = Assert.Throws<CracException>(() => StoreExport.Run(request with { Image = other.Image.Image, Target = StoreName.Parse($"oci:{disk.At("store")}:v2") }));
        Assert.Equal(CracReason.NoSpace, thrown.Reason);
        using StoreLayout store = StoreLayout.Open(disk.At("store"));
        Assert.Equal(["v1"], store.ReadIndex().Tags.Select(static each => each.Tag));
        Assert.DoesNotContain(Directory.GetFiles(disk.At("store"), "*", SearchOption.AllDirectories), static path => path.EndsWith(".partial", StringComparison.Ordinal));
        Assert.Subset(Directory.GetFiles(disk.At("store"), "*", SearchOption.AllDirectories).ToHashSet(), before.ToHashSet());
    }

    [RootFact]
    public void A_store_of_someone_else_is_not_written_to()
    {
        using var scene = new StoredScene();
        scene.Export("v1");
        Ownership.Give(scene.StorePath, Ownership.Stranger);
        Assert.Equal(CracReason.ImageNotTrusted, Assert.Throws<CracException>(() => scene.Export("v2")).Reason);
        scene.Import("v1");
    }

    [Fact]
    public void A_folder_with_something_else_in_it_is_no_store()
    {
        using var scene = new StoredScene();
        Directory.CreateDirectory(scene.StorePath);
        File.WriteAllText(Path.Combine(scene.StorePath, "mine.txt"), "mine");
        CracException thrown = Assert.Throws<CracException>(() => scene.Export("v1"));
        Assert.Equal(CracReason.NotAnImage, thrown.Reason);
        Assert.Contains("mine.txt", thrown.Message, StringComparison.Ordinal);
        Assert.Equal(CracReason.NotAnImage, Assert.Throws<CracException>(() => scene.ManifestOf("v1")).Reason);
    }

    [Fact]
    public void A_cancelled_export_leaves_no_tag()
    {
        using var scene = new StoredScene();
        using var cancelled = new CancellationTokenSource();
        var request = new StoreExportRequest { Image = scene.Image.Image, Target = scene.Name("v1") };
        Assert.ThrowsAny<OperationCanceledException>(() => StoreExport.Run(request, new Reports(_ => cancelled.Cancel()), cancelled.Token));
        using StoreLayout store = StoreLayout.Open(scene.StorePath);
        Assert.Empty(store.ReadIndex().Tags);
        Assert.DoesNotContain(scene.BlobNames(), static name => name[0] == '.');
    }

    private static void Tag(StoreLayout store, string tag, byte[] manifest)
    {
        Descriptor written = BlobWriter.Put(store, ArtifactManifest.MediaType, manifest);
        StoreIndex index = store.ReadIndex();
        index.Set(tag, written);
        store.WriteIndex(index);
    }

    private static void Refused(StoredScene scene, string tag, CracReason reason)
    {
        CracException thrown = Assert.Throws<CracException>(() => scene.Import(tag));
        Assert.True(reason == thrown.Reason, $"{thrown.Reason}: {thrown.Message}");
        Assert.False(string.IsNullOrEmpty(thrown.RecommendedAction));
        Assert.False(Path.Exists(scene.Image.At("imported")));
        Assert.DoesNotContain(scene.Image.NamesBeside(), static name => name[0] == '.');
    }
}
