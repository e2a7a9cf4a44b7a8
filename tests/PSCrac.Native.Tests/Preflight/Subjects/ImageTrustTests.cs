using PSCrac.Preflight.Subjects;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight.Subjects;

/// <summary>Who could have written an image. Needs root, to change the owner of files.</summary>
public sealed class ImageTrustTests : IDisposable
{
    private const int Someone = 1234;
    private const int Stranger = Ownership.Stranger;

    private readonly string _folder = Directory.CreateTempSubdirectory("pscrac-trust-").FullName;

    public ImageTrustTests()
    {
        Directory.CreateDirectory(Image, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText(Path.Combine(Image, "inventory.img"), "");
        File.SetUnixFileMode(Path.Combine(Image, "inventory.img"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private string Image => Path.Combine(_folder, "image");

    [RootFact]
    public void An_own_image_in_a_private_folder_below_tmp_is_trusted()
    {
        using ImageTrust trust = ImageTrust.Examine(Image);

        Assert.True(trust.IsTrusted, string.Join('\n', trust.Findings));
        Assert.NotNull(trust.Folder);
    }

    [RootFact]
    public void A_file_of_another_user_is_not_trusted() => ExpectRefusal(() => Give("image/inventory.img", Stranger), "inventory.img");

    [RootFact]
    public void A_file_that_others_may_write_is_not_trusted() => ExpectRefusal(() => File.SetUnixFileMode(Path.Combine(Image, "inventory.img"), (UnixFileMode)0x1b6), "inventory.img");

    [RootFact]
    public void A_folder_that_the_group_may_write_is_not_trusted() => ExpectRefusal(() => File.SetUnixFileMode(Image, (UnixFileMode)0x1f8), "image");

    [RootFact]
    public void An_ancestor_folder_of_another_user_is_not_trusted() => ExpectRefusal(() => Give(".", Stranger), _folder);

    [RootFact]
    public void An_ancestor_folder_that_all_may_write_is_trusted_only_if_it_is_sticky()
    {
        File.SetUnixFileMode(_folder, (UnixFileMode)0x1ff);
        using (ImageTrust open = ImageTrust.Examine(Image))
        {
            Assert.Contains("Everyone", Assert.Single(open.Findings).Why, StringComparison.Ordinal);
        }

        File.SetUnixFileMode(_folder, (UnixFileMode)0x3ff);
        using ImageTrust sticky = ImageTrust.Examine(Image);
        Assert.True(sticky.IsTrusted);
    }

    [RootFact]
    public void A_link_to_an_image_is_trusted_as_its_owner_is()
    {
        string link = Path.Combine(_folder, "link");
        File.CreateSymbolicLink(link, "image");
        using (ImageTrust own = ImageTrust.Examine(link))
        {
            Assert.True(own.IsTrusted);
        }

        Give("link", Stranger);
        using ImageTrust others = ImageTrust.Examine(link);
        Assert.Contains("symbolic link of user", Assert.Single(others.Findings).Why, StringComparison.Ordinal);
    }

    [RootFact]
    public void A_circular_link_is_not_an_image()
    {
        File.CreateSymbolicLink(Path.Combine(_folder, "a"), "b");
        File.CreateSymbolicLink(Path.Combine(_folder, "b"), "a");
        using ImageTrust trust = ImageTrust.Examine(Path.Combine(_folder, "a"));

        Assert.Equal(CracReason.NotAnImage, Assert.Single(trust.Findings).Reason);
        Assert.Null(trust.Folder);
    }

    [Theory]
    [InlineData("core-1.img", "inventory.img")]
    [InlineData("pscrac.json", "/tmp/stranger.json")]
    [InlineData("cppath", "inventory.img")]
    [InlineData("dump.log", "/dev/null")]
    [InlineData("notes", "..")]
    [InlineData("parent.img", "../below")]
    public void A_link_is_not_trusted_whatever_its_name_is(string name, string target) =>
        ExpectRefusal(() => File.CreateSymbolicLink(Path.Combine(Image, name), target), name);

    [RootFact]
    public void A_FIFO_of_someone_else_is_not_trusted() => ExpectRefusal(
        () =>
        {
            MakeFifo(Path.Combine(Image, "core-1.img"));
            Give("image/core-1.img", Stranger);
        },
        "core-1.img");

    [RootFact]
    public void A_parent_is_held_to_the_same_rules_as_the_image()
    {
        string below = Directory.CreateDirectory(Path.Combine(_folder, "below"), (UnixFileMode)0x1c0).FullName;
        File.WriteAllText(Path.Combine(below, "pages-1.img"), "");
        File.CreateSymbolicLink(Path.Combine(Image, "parent"), "../below");
        Give("below/pages-1.img", Stranger);
        Assert.Equal(Path.Combine(below, "pages-1.img"), Assert.Single(Examine()).What);

        Give("below/pages-1.img", 0);
        File.CreateSymbolicLink(Path.Combine(below, "pagemap-1.img"), "pages-1.img");
        Assert.Equal(Path.Combine(below, "pagemap-1.img"), Assert.Single(Examine()).What);

        File.Delete(Path.Combine(below, "pagemap-1.img"));
        string deeper = Directory.CreateDirectory(Path.Combine(_folder, "deeper")).FullName;
        File.SetUnixFileMode(deeper, (UnixFileMode)0x1f8);
        File.CreateSymbolicLink(Path.Combine(below, "parent"), deeper);
        Assert.Equal(deeper, Assert.Single(Examine()).What);

        File.SetUnixFileMode(deeper, (UnixFileMode)0x1c0);
        Assert.Empty(Examine());
        Give("below/parent", Stranger);
        Assert.Contains("symbolic link of user", Assert.Single(Examine()).Why, StringComparison.Ordinal);
    }

    [RootFact]
    public void A_parent_that_is_a_folder_and_no_link_is_examined_since_criu_reads_it()
    {
        Directory.CreateDirectory(Path.Combine(Image, "parent"), (UnixFileMode)0x1c0);
        Assert.Empty(Examine());
        Give("image/parent", Stranger);

        Assert.Equal(Path.Combine(Image, "parent"), Assert.Single(Examine()).What);
    }

    [RootFact]
    public void A_parents_path_leads_where_the_kernel_goes()
    {
        // To the kernel, way/.. is the stranger's folder, and not the image.
        Directory.CreateDirectory(Path.Combine(_folder, "his/inner"), (UnixFileMode)0x1c0);
        Directory.CreateDirectory(Path.Combine(_folder, "his/below"), (UnixFileMode)0x1c0);
        Directory.CreateDirectory(Path.Combine(Image, "below"), (UnixFileMode)0x1c0);
        File.CreateSymbolicLink(Path.Combine(_folder, "way"), "his/inner");
        File.CreateSymbolicLink(Path.Combine(Image, "parent"), "../way/../below");
        Assert.Empty(Examine());
        Give("his/below", Stranger);

        Assert.Equal(Path.Combine(_folder, "his/below"), Assert.Single(Examine()).What);
    }

    [Fact]
    public void Parents_in_a_circle_are_no_image()
    {
        File.CreateSymbolicLink(Path.Combine(Image, "parent"), ".");

        Assert.Contains(Examine(), static finding => finding.Reason == CracReason.NotAnImage && finding.Why.Contains("circle", StringComparison.Ordinal));
    }

    [RootFact]
    public void The_parent_image_is_examined_as_well()
    {
        string below = Directory.CreateDirectory(Path.Combine(_folder, "below"), (UnixFileMode)0x1c0).FullName;
        File.CreateSymbolicLink(Path.Combine(Image, "parent"), "../below");
        using (ImageTrust own = ImageTrust.Examine(Image))
        {
            Assert.True(own.IsTrusted, string.Join('\n', own.Findings));
        }

        Give("below", Stranger);
        using ImageTrust others = ImageTrust.Examine(Image);
        Assert.Equal(below, Assert.Single(others.Findings).What);
    }

    [RootFact]
    public void Under_sudo_the_image_of_the_user_who_ran_it_is_trusted()
    {
        Give("image", Someone);
        Give("image/inventory.img", Someone);

        using ImageTrust root = ImageTrust.Examine(Image, [0]);
        using ImageTrust sudo = ImageTrust.Examine(Image, [0, Someone]);

        Assert.False(root.IsTrusted);
        Assert.True(sudo.IsTrusted);
    }

    [RootFact]
    public void The_examined_folder_is_the_open_one()
    {
        using ImageTrust trust = ImageTrust.Examine(Image);
        Directory.Move(Image, Image + "-moved");
        Directory.CreateDirectory(Image);

        Assert.Equal(["inventory.img"], trust.Folder!.ReadNames());
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private IReadOnlyList<CracFinding> Examine()
    {
        using ImageTrust trust = ImageTrust.Examine(Image);
        return trust.Findings;
    }

    private static void MakeFifo(string path)
    {
        using System.Diagnostics.Process make = System.Diagnostics.Process.Start("mkfifo", ["-m", "600", path]);
        make.WaitForExit();
    }

    private void ExpectRefusal(Action change, string what)
    {
        change();
        using ImageTrust trust = ImageTrust.Examine(Image);
        CracFinding finding = Assert.Single(trust.Findings);
        Assert.Equal(CracReason.ImageNotTrusted, finding.Reason);
        Assert.EndsWith(what, finding.What, StringComparison.Ordinal);
        Assert.NotNull(finding.RecommendedAction);
    }

    private void Give(string name, int user) => Ownership.Give(Path.GetFullPath(Path.Combine(_folder, name)), user);
}
