using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Jvm;
using PSCrac.Tests.Images;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

/// <summary>The JVM's user, or who may write beside its image, exchanges the directory for a link while it is cleaned up.</summary>
public sealed class JvmImageDirectorySwapTests
{
    private const int Rounds = 25;
    private static readonly string[] s_names = [.. ManifestImage.Names, "dump4.log"];

    [CriuFact("python3")]
    public void Only_the_image_that_was_replaced_is_removed()
    {
        using FakeJvm fake = FakeJvm.Start();
        var victim = new Victim(fake.Folder, s_names);
        for (int round = 0; round < Rounds; round++)
        {
            ManifestImage.Make(fake.Target);
            using JvmImageDirectory directory = JvmImageDirectory.Prepare(fake.Jvm, fake.Target, force: true);
            using (new Swapper(fake.Folder.FullPath, ImageSetAside.NameOf("cr"), Victim.Link))
            {
                directory.Keep();
            }

            PutLinkBack(fake, fake.Folder.At(ImageSetAside.NameOf("cr")));
        }

        victim.AssertUnharmed();
    }

    [CriuFact("python3")]
    public void Only_what_a_failed_checkpoint_has_left_is_removed()
    {
        using FakeJvm fake = FakeJvm.Start();
        var victim = new Victim(fake.Folder, s_names);
        for (int round = 0; round < Rounds; round++)
        {
            using JvmImageDirectory directory = JvmImageDirectory.Prepare(fake.Jvm, fake.Target, force: true);
            ManifestImage.Make(fake.Target);
            using (new Swapper(fake.Folder.FullPath, "cr", Victim.Link))
            {
                directory.PutBack();
            }

            PutLinkBack(fake, fake.Target);
        }

        victim.AssertUnharmed();
    }

    [CriuFact("python3")]
    public void Files_that_were_placed_elsewhere_are_removed_from_the_directory_that_they_were_taken_from()
    {
        using FakeJvm fake = FakeJvm.Start();
        var victim = new Victim(fake.Folder, s_names);
        for (int round = 0; round < Rounds; round++)
        {
            using JvmImageDirectory directory = JvmImageDirectory.Prepare(fake.Jvm, fake.Target, force: true);
            ManifestImage.Make(fake.Target);
            using FolderHandle made = directory.TryOpen()!;
            using (new Swapper(fake.Folder.FullPath, "cr", Victim.Link))
            {
                directory.Empty(made, ManifestImage.Names);
                directory.WriteOriginalPath(made);
            }

            PutLinkBack(fake, fake.Target);
        }

        victim.AssertUnharmed();
    }

    [CriuFact("python3")]
    public void A_link_in_the_JVMs_root_does_not_lead_out_of_it()
    {
        // As in a container whose tmp is a link that is absolute: in its own root.
        using var folder = new TemporaryFolder();
        string root = Directory.CreateDirectory(folder.At("root")).FullName;
        Directory.CreateDirectory(folder.At("root/inside/deep"));
        File.CreateSymbolicLink(folder.At("root/way"), "/inside");
        File.CreateSymbolicLink(folder.At("root/up"), "../../../../inside/deep");
        using SafeFileHandle handle = LibC.Open(root, LibC.O_PATH | LibC.O_DIRECTORY, out _);

        foreach ((string path, string reached) in ((string, string)[])[("/way", "inside"), ("/way/deep", "inside/deep"), ("/up", "inside/deep"), ("/../../inside", "inside")])
        {
            using PathWalk walk = PathWalk.Along(path, handle);
            using FolderHandle found = FolderHandle.TryOpen(walk, out Errno errno)!;
            Assert.Equal(Errno.None, errno);
            Assert.Equal(Path.Combine(root, reached), found.CurrentPath);
        }

        using PathWalk none = PathWalk.Along("/etc", handle);
        Assert.Equal(PathEnd.Missing, none.End);
    }

    [RootFact]
    public void A_link_of_someone_else_at_the_JVMs_directory_is_not_followed()
    {
        using FakeJvm fake = FakeJvm.Start();
        string elsewhere = Directory.CreateDirectory(fake.Folder.At("elsewhere")).FullName;
        using JvmImageDirectory directory = JvmImageDirectory.Prepare(fake.Jvm, fake.Target, force: true);
        File.CreateSymbolicLink(fake.Target, elsewhere);
        using (FolderHandle? own = directory.TryOpen())
        {
            Assert.Equal(elsewhere, own?.CurrentPath);
        }

        Ownership.Give(fake.Target, Ownership.Stranger);
        Assert.Null(directory.TryOpen());
    }

    private static void PutLinkBack(FakeJvm fake, string path)
    {
        if (!Path.Exists(fake.Folder.At(Victim.Link)))
        {
            Directory.Move(path, fake.Folder.At(Victim.Link));
        }
        else if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }
}
