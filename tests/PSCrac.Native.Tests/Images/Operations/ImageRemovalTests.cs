using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Operations;

/// <summary>The files that go with an image are its own, whoever may write to the folder that it is in.</summary>
public sealed class ImageRemovalTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [RootFact]
    public void A_neighbour_who_exchanges_the_image_for_a_link_has_nothing_else_removed()
    {
        const int Enough = 100;
        string victim = ManifestImage.Make(_folder.At("victim"));
        File.CreateSymbolicLink(_folder.At("link"), victim);
        Ownership.Give(_folder.At("link"), Ownership.Stranger);
        ManifestImage.Make(_folder.At("image"));
        Dictionary<string, byte[]> files = ManifestImage.Names.ToDictionary(static name => name, name => File.ReadAllBytes(_folder.At($"image/{name}")));
        using FolderHandle folder = FolderHandle.TryOpen(_folder.FullPath, out _)!;
        (int removed, int refused) = (0, 0);
        using (new Swapper(_folder.FullPath, "image", "link"))
        {
            while (removed < Enough || refused < Enough)
            {
                try
                {
                    ImageRemoval.Remove(CracImage.Open(_folder.At("image")), force: false);
                }
                catch (CracException e)
                {
                    Assert.Contains(e.Reason, (CracReason[])[CracReason.ImageNotTrusted, CracReason.PermissionDenied, CracReason.NotAnImage, CracReason.ImageIncomplete]);
                    refused++;
                }

                removed += MakeAgain(folder, files) ? 1 : 0;
            }
        }

        Assert.Equal(ManifestImage.Names, ManifestImage.NamesIn(victim));
    }

    [RootFact]
    public void An_image_of_someone_else_stays_and_its_owner_is_named()
    {
        string path = ManifestImage.Make(_folder.At("image"));
        Ownership.Give(path, Ownership.Stranger);

        CracException failure = Assert.Throws<CracException>(() => ImageRemoval.Remove(CracImage.Open(path), force: true));

        Assert.Equal(CracReason.ImageNotTrusted, failure.Reason);
        Assert.Contains($"{Ownership.Stranger}", failure.Message);
        Assert.Contains($"{Ownership.Stranger}", failure.RecommendedAction);
        Assert.Equal(ManifestImage.Names, ManifestImage.NamesIn(path));
    }

    [RootFact]
    public void An_image_is_not_removed_through_a_link_of_someone_else()
    {
        string path = ManifestImage.Make(_folder.At("image"));
        File.CreateSymbolicLink(_folder.At("way"), _folder.FullPath);
        Ownership.Give(_folder.At("way"), Ownership.Stranger);

        CracException failure = Assert.Throws<CracException>(() => ImageRemoval.Remove(CracImage.Open(_folder.At("way/image")), force: false));

        Assert.Equal(CracReason.ImageNotTrusted, failure.Reason);
        Assert.Contains(_folder.At("way"), failure.Message);
        Assert.Equal(ManifestImage.Names, ManifestImage.NamesIn(path));
    }

    [Fact]
    public void An_image_that_was_given_by_ones_own_link_goes_with_the_link()
    {
        ManifestImage.Make(_folder.At("image"));
        File.CreateSymbolicLink(_folder.At("link"), "image");

        Assert.Empty(ImageRemoval.Remove(CracImage.Open(_folder.At("link")), force: false));

        Assert.Empty(_folder.Names());
    }

    [Fact]
    public void Another_image_that_stands_there_by_now_stays()
    {
        CracImage image = CracImage.Open(ManifestImage.Make(_folder.At("image")));
        Directory.Move(_folder.At("image"), _folder.At("moved"));
        ManifestImage.Make(_folder.At("image"));

        Assert.Equal(CracReason.ImageNotTrusted, Assert.Throws<CracException>(() => ImageRemoval.Remove(image, force: false)).Reason);

        Assert.Equal(ManifestImage.Names, ManifestImage.NamesIn(_folder.At("image")));
        Assert.Equal(ManifestImage.Names, ManifestImage.NamesIn(_folder.At("moved")));
    }

    [Fact]
    public void Helper_links_outside_go_with_the_image_and_nothing_else_that_its_manifest_names()
    {
        string[] outside = [.. ((string[])["data/link_remap.1", "data/link_remap.x", "data/letter", "data/link_remap.7", "none/link_remap.2"]).Select(_folder.At)];
        Directory.CreateDirectory(_folder.At("data"));
        foreach (string file in outside[..4])
        {
            File.WriteAllText(file, "");
        }

        ImageManifestOutsideFile[] links = [.. outside.Select(Link)];

        // criu's files name all of them but one.
        string image = ManifestImage.Make(_folder.At("image"), manifest => manifest with { OutsideFiles = links }).WithHelperLinks(outside.Where(path => path != outside[3]));
        ImageRemoval.Remove(CracImage.Open(image), force: false);

        Assert.Equal(["data"], _folder.Names());
        Assert.Equal(["letter", "link_remap.7", "link_remap.x"], ManifestImage.NamesIn(_folder.At("data")));
    }

    [RootFact]
    public void Helper_links_are_not_looked_for_by_a_link_or_a_manifest_of_someone_else()
    {
        Directory.CreateDirectory(_folder.At("data"));
        File.WriteAllText(_folder.At("data/link_remap.1"), "");
        File.CreateSymbolicLink(_folder.At("way"), "data");
        Ownership.Give(_folder.At("way"), Ownership.Stranger);

        ImageRemoval.Remove(CracImage.Open(ManifestImage.Make(_folder.At("one"), manifest => manifest with { OutsideFiles = [Link(_folder.At("way/link_remap.1"))] }).WithHelperLinks(_folder.At("way/link_remap.1"))), force: false);
        string two = ManifestImage.Make(_folder.At("two"), manifest => manifest with { OutsideFiles = [Link(_folder.At("data/link_remap.1"))] }).WithHelperLinks(_folder.At("data/link_remap.1"));
        Ownership.Give(Path.Combine(two, "pscrac.json"), Ownership.Stranger);
        ImageRemoval.Remove(CracImage.Open(two), force: false);

        Assert.Equal(["link_remap.1"], ManifestImage.NamesIn(_folder.At("data")));
        Assert.Equal(["data", "way"], _folder.Names());
    }

    [RootFact]
    public void A_helper_link_s_name_that_leads_to_another_file_by_now_or_to_one_of_another_owner_is_kept()
    {
        Directory.CreateDirectory(_folder.At("data"));
        string[] names = ["data/link_remap.1", "data/link_remap.2", "data/link_remap.3"];
        foreach (string name in names)
        {
            File.WriteAllText(_folder.At(name), "");
        }

        ImageManifestOutsideFile[] links = [.. names.Select(name => Link(_folder.At(name)))];
        File.WriteAllText(_folder.At("data/new"), "");
        File.Move(_folder.At("data/new"), _folder.At(names[0]), overwrite: true);
        Ownership.Give(_folder.At(names[1]), Ownership.Stranger);

        ImageRemoval.Remove(CracImage.Open(ManifestImage.Make(_folder.At("image"), manifest => manifest with { OutsideFiles = links }).WithHelperLinks(names.Select(_folder.At))), force: false);

        Assert.Equal(["link_remap.1", "link_remap.2"], ManifestImage.NamesIn(_folder.At("data")));
    }

    private static ImageManifestOutsideFile Link(string path) =>
        FileStatus.TryRead(path, flags: 0, out FileStatus status, out _) ? new(path, status.Inode, status.UserId) : new(path, 1, 0);

    [Fact]
    public void A_child_is_found_whatever_its_parents_path_is()
    {
        string parent = ManifestImage.Make(_folder.At("parent"));
        File.CreateSymbolicLink(_folder.At("way"), _folder.FullPath);
        ManifestImage.Make(_folder.At("one"));
        File.CreateSymbolicLink(_folder.At("one/parent"), "../way/parent");
        ManifestImage.Make(_folder.At("two"));
        File.CreateSymbolicLink(_folder.At("two/parent"), "../one");

        Assert.Equal([_folder.At("one")], ImageRemoval.FindChildren(CracImage.Open(parent)));
        Assert.Equal(CracReason.ImageInUse, Assert.Throws<CracException>(() => ImageRemoval.Remove(CracImage.Open(parent), force: false)).Reason);
        Assert.Equal(ManifestImage.Names, ManifestImage.NamesIn(parent));
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    // Of the image, which is now under the one name, now under the other, what the last removal has removed.
    private static bool MakeAgain(FolderHandle folder, Dictionary<string, byte[]> files)
    {
        foreach (string name in (string[])["image", "link"])
        {
            if (!folder.Contains(name))
            {
                // Nothing is exchanged for as long as one is missing.
                folder.MakeFolder(name, 0x1C0);
                break;
            }
        }

        FolderHandle? image;
        while ((image = folder.TryOpenFolder("image", out _) ?? folder.TryOpenFolder("link", out _)) is null)
        {
        }

        bool isMade = false;
        using (image)
        {
            foreach ((string name, byte[] content) in files)
            {
                using SafeFileHandle file = image.Create(name, out Errno errno, 0x180);
                if (errno == 0)
                {
                    RandomAccess.Write(file, content, 0);
                    isMade = true;
                }
            }
        }

        return isMade;
    }
}
