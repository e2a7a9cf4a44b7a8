using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Storage;

/// <summary>
/// What is done below a folder stays below it, with openat2(2) and without: a stranger's link is never followed, and a folder that is
/// exchanged for a link in between is not either.
/// </summary>
public sealed class FolderHandleTests : IDisposable
{
    private const int Rounds = 150;
    private const uint PrivateFile = 0x180; // 0600
    private const uint PrivateFolder = 0x1C0; // 0700
    private static readonly int[] s_own = TrustedUsers.Read();
    private readonly TemporaryFolder _folder = new();

    /// <summary>Without and with openat2(2).</summary>
    public static TheoryData<bool> Ways { get; } = [false, true];

    /// <summary>What is tried under a neighbour's hands, by name, each without and with openat2(2).</summary>
    public static TheoryData<string, bool> Operations
    {
        get
        {
            var data = new TheoryData<string, bool>();
            foreach (string name in s_operations.Keys)
            {
                data.Add(name, false);
                data.Add(name, true);
            }

            return data;
        }
    }

    private static readonly Dictionary<string, Action<FolderHandle, int>> s_operations = new()
    {
        ["open"] = (folder, round) => Close(folder.Open("image/file", LibC.O_RDWR, out _)),
        ["create"] = (folder, round) => Close(folder.Create($"image/new-{round}", out _, PrivateFile)),
        ["truncate"] = (folder, round) => Close(folder.Open("image/file", LibC.O_WRONLY | 0x200, out _)),
        ["make a folder"] = (folder, round) => In(folder, image => image.MakeFolder($"new-{round}", PrivateFolder)),
        ["link in"] = (folder, round) => In(folder, image => folder.Link("spare", image, $"new-{round}")),
        ["link out"] = (folder, round) => In(folder, image => image.Link("file", folder, $"taken-{round}")),
        ["make a link"] = (folder, round) => In(folder, image => image.MakeLink($"new-{round}", "/nowhere")),
        ["rename"] = (folder, round) => In(folder, image =>
        {
            Errno errno = image.Rename("file", image, "other");
            return errno != 0 ? errno : image.Rename("other", image, "file");
        }),
        ["change a mode"] = (folder, _) => In(folder, image => image.ChangeMode("file", PrivateFile)),
        ["delete"] = (folder, round) => In(folder, image => image.Delete(round % 2 == 0 ? "file" : "more")),
        ["delete a folder"] = (folder, _) => In(folder, image => image.DeleteFolder("empty")),
        ["delete all"] = (folder, _) => folder.DeleteTree("image", s_own),
        ["delete the contents"] = (folder, _) => In(folder, image => image.DeleteContents(s_own)),
        ["list"] = (folder, _) => In(folder, image =>
        {
            Assert.DoesNotContain("precious", image.ReadNames()!);
            return 0;
        }),
    };

    [Theory]
    [MemberData(nameof(Operations))]
    public void A_folder_that_is_exchanged_for_a_link_in_between_leads_nowhere_else(string operation, bool isStepwise)
    {
        string victim = MakeVictim("precious");
        using FolderHandle folder = Open(isStepwise);
        MakeImage();
        File.CreateSymbolicLink(_folder.At("link"), victim);
        File.WriteAllText(_folder.At("spare"), "mine");
        using (var swapper = new Swapper(_folder.FullPath, "image", "link"))
        {
            for (int round = 0; round < Rounds; round++)
            {
                Refill(folder);
                s_operations[operation](folder, round);
            }
        }

        AssertUnharmed(victim);
        foreach (string taken in Directory.GetFiles(_folder.FullPath, "taken-*"))
        {
            Assert.Equal("mine", File.ReadAllText(taken));
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_file_that_is_exchanged_for_a_link_in_between_is_read_or_refused(bool isStepwise)
    {
        string victim = MakeVictim("precious");
        MakeImage();
        File.CreateSymbolicLink(_folder.At("image/link"), Path.Combine(victim, "file"));
        using FolderHandle folder = Open(isStepwise);
        using FolderHandle image = folder.TryOpenFolder("image", out _)!;
        (int read, int refused) = (0, 0);
        using (var swapper = new Swapper(_folder.At("image"), "file", "link"))
        {
            while (read < Rounds || refused < Rounds)
            {
                using SafeFileHandle file = image.OpenToRead("file", out Errno errno);
                Assert.Contains(errno, (Errno[])[Errno.None, Errno.ELOOP]);
                if (errno == 0)
                {
                    Assert.Equal("mine", ReadText(file));
                    read++;
                }
                else
                {
                    refused++;
                }

                image.ChangeMode("file", PrivateFile);
            }
        }

        AssertUnharmed(victim);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void No_link_on_the_way_is_followed(bool isStepwise)
    {
        MakeImage();
        Directory.CreateDirectory(_folder.At("image/a/b"));
        File.WriteAllText(_folder.At("image/a/b/deep"), "mine");
        File.CreateSymbolicLink(_folder.At("image/to-a"), "a");
        File.CreateSymbolicLink(_folder.At("image/a/to-b"), _folder.At("image/a/b"));
        File.CreateSymbolicLink(_folder.At("image/a/b/to-deep"), "deep");
        using FolderHandle image = FolderHandle.TryOpen(_folder.At("image"), out _, isStepwise)!;

        using (SafeFileHandle file = image.OpenToRead("a/b/deep", out Errno errno))
        {
            Assert.Equal(Errno.None, errno);
            Assert.Equal("mine", ReadText(file));
        }

        foreach (string path in (string[])["to-a/b/deep", "a/to-b/deep", "a/b/to-deep"])
        {
            foreach (int flags in (int[])[LibC.O_RDONLY, LibC.O_PATH, LibC.O_WRONLY | LibC.O_CREAT])
            {
                Close(image.Open(path, flags, out Errno errno, PrivateFile));
                Assert.Contains(errno, (Errno[])[Errno.ELOOP, Errno.ENOTDIR]);
            }
        }

        Assert.Null(image.TryOpenFolder("to-a", out Errno refused));
        Assert.Contains(refused, (Errno[])[Errno.ELOOP, Errno.ENOTDIR]);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void Nothing_above_is_reached(bool isStepwise)
    {
        MakeImage();
        File.WriteAllText(_folder.At("above"), "mine");
        using FolderHandle image = FolderHandle.TryOpen(_folder.At("image"), out _, isStepwise)!;
        foreach (string path in (string[])["../above", "empty/../../above", "..", "/etc/passwd", _folder.At("above"), ""])
        {
            Close(image.Open(path, LibC.O_RDONLY, out Errno errno));
            Assert.Equal(Errno.EXDEV, errno);
        }

        foreach (string name in (string[])["../above", "..", ".", "", "/", "empty/new", "new\0name"])
        {
            Assert.Equal(Errno.EINVAL, image.Delete(name));
            Assert.Equal(Errno.EINVAL, image.DeleteFolder(name));
            Assert.Equal(Errno.EINVAL, image.DeleteTree(name, s_own));
            Assert.Equal(Errno.EINVAL, image.MakeFolder(name, PrivateFolder));
            Assert.Equal(Errno.EINVAL, image.MakeLink(name, "above"));
            Assert.Equal(Errno.EINVAL, image.ChangeMode(name, PrivateFile));
            Assert.Equal(Errno.EINVAL, image.Rename("file", image, name));
            Assert.Equal(Errno.EINVAL, image.Rename(name, image, "name"));
            Assert.Equal(Errno.EINVAL, image.Link("file", image, name));
            Assert.False(image.TryGetStatus(name, out _, out Errno errno));
            Assert.Equal(Errno.EINVAL, errno);
        }

        Assert.Equal("mine", File.ReadAllText(_folder.At("above")));
    }

    [Fact]
    public void What_is_no_file_is_not_read()
    {
        MakeImage();
        using FolderHandle image = FolderHandle.TryOpen(_folder.At("image"), out _)!;

        // Nobody writes to it: an open that waited would wait for good.
        using (var make = System.Diagnostics.Process.Start("mkfifo", _folder.At("image/fifo")))
        {
            make.WaitForExit();
        }

        Close(image.OpenToRead("fifo", out Errno fifo));
        Close(image.OpenToRead("empty", out Errno folder));
        Close(image.OpenToRead("none", out Errno none));

        Assert.Equal((Errno.EINVAL, Errno.EINVAL, Errno.ENOENT), (fifo, folder, none));
    }

    [Fact]
    public void All_that_is_in_a_folder_is_deleted_and_links_are_not_followed()
    {
        string victim = MakeVictim("precious");
        MakeImage();
        Directory.CreateDirectory(_folder.At("image/a/b/c"));
        File.WriteAllText(_folder.At("image/a/b/deep"), "mine");
        File.CreateSymbolicLink(_folder.At("image/a/link"), victim);
        using FolderHandle folder = Open(isStepwise: false);

        Assert.Equal(Errno.None, folder.DeleteTree("image", s_own));

        Assert.Equal(["victim"], _folder.Names());
        AssertUnharmed(victim);
        File.CreateSymbolicLink(_folder.At("image"), victim);
        Assert.Contains(folder.DeleteTree("image", s_own), (Errno[])[Errno.ELOOP, Errno.ENOTDIR]);
        AssertUnharmed(victim);
    }

    [RootFact]
    public void A_folder_of_someone_else_is_not_deleted_wherever_it_is()
    {
        MakeImage();
        string inner = Directory.CreateDirectory(_folder.At("image/inner")).FullName;
        File.WriteAllText(Path.Combine(inner, "his"), "his");
        using FolderHandle folder = Open(isStepwise: false);
        Ownership.Give(inner, Ownership.Stranger);

        Assert.Equal(Errno.EPERM, folder.DeleteTree("image", s_own));
        Assert.Equal("his", File.ReadAllText(Path.Combine(inner, "his")));
        Assert.False(File.Exists(_folder.At("image/file")));

        File.WriteAllText(_folder.At("image/file"), "mine");
        Ownership.Give(_folder.At("image"), Ownership.Stranger);

        Assert.Equal(Errno.EPERM, folder.DeleteTree("image", s_own));
        Assert.True(File.Exists(_folder.At("image/file")));
        Assert.Equal(Errno.None, folder.DeleteTree("image", [0, Ownership.Stranger]));
        Assert.False(Directory.Exists(_folder.At("image")));
    }

    [RootFact]
    public void A_folder_that_is_to_be_changed_must_be_reached_through_ones_own_links()
    {
        MakeImage();
        File.CreateSymbolicLink(_folder.At("way"), _folder.FullPath);
        using (FolderHandle opened = FolderHandle.OpenOwned(_folder.At("way/image"), s_own))
        {
            Assert.Equal(_folder.At("image"), opened.Path);
            Assert.True(opened.Contains("file"));
        }

        Ownership.Give(_folder.At("way"), Ownership.Stranger);

        CracException link = Assert.Throws<CracException>(() => FolderHandle.OpenOwned(_folder.At("way/image"), s_own));
        Assert.Equal(CracReason.ImageNotTrusted, link.Reason);
        Assert.Contains(_folder.At("way"), link.Message);
        Ownership.Give(_folder.At("image"), Ownership.Stranger);

        CracException folder = Assert.Throws<CracException>(() => FolderHandle.OpenOwned(_folder.At("image"), s_own));
        Assert.Equal(CracReason.ImageNotTrusted, folder.Reason);
        Assert.Contains("4321", folder.RecommendedAction);
    }

    [Fact]
    public void What_is_no_folder_cannot_be_opened_as_one()
    {
        MakeImage();
        File.CreateSymbolicLink(_folder.At("round"), "round");

        Assert.Equal(CracReason.NotAnImage, Assert.Throws<CracException>(() => FolderHandle.OpenOwned(_folder.At("none"), s_own)).Reason);
        Assert.Equal(CracReason.NotAnImage, Assert.Throws<CracException>(() => FolderHandle.OpenOwned(_folder.At("round"), s_own)).Reason);
        Assert.Equal(CracReason.NotAnImage, Assert.Throws<CracException>(() => FolderHandle.OpenOwned(_folder.At("image/file"), s_own)).Reason);
        Assert.Null(FolderHandle.TryOpen(_folder.At("image/file"), out Errno errno));
        Assert.Equal(Errno.ENOTDIR, errno);
    }

    [ProgramFact("python3")]
    public void Where_the_kernel_lacks_openat2_or_a_container_refuses_it_files_are_opened_step_by_step()
    {
        MakeImage();
        File.CreateSymbolicLink(_folder.At("image/link"), _folder.At("spare"));
        File.WriteAllText(_folder.At("spare"), "not mine");
        foreach (Errno errno in (Errno[])[Errno.ENOSYS, Errno.EPERM])
        {
            (int code, string output, string error) = Helper.RunCommand(
                new Dictionary<string, string?>(),
                SystemCallFilter.Command(SystemCallFilter.OpenAt2, (int)errno, Helper.Command("open-beneath", _folder.FullPath, "image/file", "image/link", "image/../spare")));

            Assert.Equal((0, $"openat2 {errno}\nmine\nELOOP\nEXDEV\n"), (code, output));
            Assert.Empty(error);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private FolderHandle Open(bool isStepwise) => FolderHandle.TryOpen(_folder.FullPath, out _, isStepwise)!;

    private void MakeImage()
    {
        Directory.CreateDirectory(_folder.At("image/empty"));
        File.WriteAllText(_folder.At("image/file"), "mine");
        File.WriteAllText(_folder.At("image/more"), "mine");
    }

    // What the last round has deleted. The image is now under the one name, now under the other.
    private static void Refill(FolderHandle folder)
    {
        if (!folder.Contains("image"))
        {
            folder.MakeFolder("image", PrivateFolder);
        }

        FolderHandle? image;
        while ((image = folder.TryOpenFolder("image", out _) ?? folder.TryOpenFolder("link", out _)) is null)
        {
        }

        using (image)
        {
            image.MakeFolder("empty", PrivateFolder);
            foreach (string name in (string[])["file", "more"])
            {
                using SafeFileHandle file = image.Create(name, out Errno errno, PrivateFile);
                if (errno == 0)
                {
                    RandomAccess.Write(file, "mine"u8, 0);
                }
            }
        }
    }

    // What a neighbour would have harmed: a folder with files of the same names.
    private string MakeVictim(string mark)
    {
        string victim = Directory.CreateDirectory(_folder.At("victim")).FullName;
        Directory.CreateDirectory(Path.Combine(victim, "empty"));
        foreach (string name in (string[])["file", "more", mark])
        {
            File.WriteAllText(Path.Combine(victim, name), "precious");
            File.SetUnixFileMode(Path.Combine(victim, name), (UnixFileMode)0x1a4);
        }

        return victim;
    }

    private static void AssertUnharmed(string victim)
    {
        Assert.Equal(["empty", "file", "more", "precious"], Directory.GetFileSystemEntries(victim).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        foreach (string file in Directory.GetFiles(victim))
        {
            Assert.Equal("precious", File.ReadAllText(file));
            Assert.Equal((UnixFileMode)0x1a4, File.GetUnixFileMode(file));
        }
    }

    private static string ReadText(SafeFileHandle file)
    {
        byte[] buffer = new byte[64];
        return System.Text.Encoding.UTF8.GetString(buffer, 0, RandomAccess.Read(file, buffer, 0));
    }

    private static void Close(SafeFileHandle handle) => handle.Dispose();

    private static void In(FolderHandle folder, Func<FolderHandle, Errno> operation)
    {
        using FolderHandle? image = folder.TryOpenFolder("image", out _);
        if (image is not null)
        {
            operation(image);
        }
    }
}
