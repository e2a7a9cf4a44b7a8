using System.Text;
using PSCrac.Images.Storage;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Storage;

/// <summary>An image's directory is the same directory for as long as it is read, and its files are files.</summary>
public sealed class DirectoryImageSourceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public DirectoryImageSourceTests()
    {
        Directory.CreateDirectory(_folder.At("image"));
        File.WriteAllText(_folder.At("image/core-1.img"), "mine");
    }

    [Theory]
    [InlineData("core-1.img")]
    [InlineData("/etc/passwd")]
    [InlineData("nowhere")]
    public void A_link_among_the_files_is_listed_without_a_length_and_not_read(string target)
    {
        File.CreateSymbolicLink(_folder.At("image/pscrac.json"), target);
        var source = new DirectoryImageSource(_folder.At("image"));

        Assert.Equal([new ImageFileInfo("core-1.img", 4), new ImageFileInfo("pscrac.json", 0)], source.Files);
        CracException failure = Assert.Throws<CracException>(() => source.TryOpen("pscrac.json"));

        Assert.Equal((CracReason.ImageNotTrusted, "pscrac.json"), (failure.Reason, failure.FileName));
        Assert.NotNull(failure.RecommendedAction);
    }

    [Fact]
    public void Another_directory_at_the_path_is_not_read()
    {
        var source = new DirectoryImageSource(_folder.At("image"));
        Assert.Equal("mine", Read(source, "core-1.img"));
        Directory.Move(_folder.At("image"), _folder.At("moved"));
        Directory.CreateDirectory(_folder.At("image"));
        File.WriteAllText(_folder.At("image/core-1.img"), "his");

        Assert.Equal(CracReason.ImageNotTrusted, Assert.Throws<CracException>(() => source.TryOpen("core-1.img")).Reason);
        Assert.Equal(CracReason.ImageNotTrusted, Assert.Throws<CracException>(() => source.Files).Reason);
        Directory.Delete(_folder.At("image"), recursive: true);
        Assert.Null(source.TryOpen("core-1.img"));
        Directory.CreateSymbolicLink(_folder.At("image"), "moved");
        Assert.Equal("mine", Read(source, "core-1.img"));
    }

    [Fact]
    public void A_directory_that_is_exchanged_in_between_is_read_or_refused()
    {
        const int Enough = 100;
        Directory.CreateDirectory(_folder.At("other"));
        File.WriteAllText(_folder.At("other/core-1.img"), "his");
        File.CreateSymbolicLink(_folder.At("link"), "other");
        var source = new DirectoryImageSource(_folder.At("image"));
        Assert.True(source.Contains("core-1.img"));
        using FolderHandle held = FolderHandle.TryOpen(_folder.At("image"), out _)!;
        var open = new DirectoryImageSource(held);
        (int read, int refused) = (0, 0);
        using (new Swapper(_folder.FullPath, "image", "link"))
        {
            while (read < Enough || refused < Enough)
            {
                Assert.Equal("mine", Read(open, "core-1.img"));
                try
                {
                    Assert.Equal("mine", Read(source, "core-1.img"));
                    read++;
                }
                catch (CracException e) when (e.Reason == CracReason.ImageNotTrusted)
                {
                    refused++;
                }
            }
        }
    }

    [Theory]
    [InlineData("/below", "below")]
    [InlineData("../below", "below")]
    [InlineData("way/../below", "deep/below")]
    public void The_parent_is_found_as_the_kernel_finds_it(string target, string found)
    {
        // To the kernel, way/.. is not the image's own directory.
        Directory.CreateDirectory(_folder.At("deep/one"));
        Directory.CreateDirectory(_folder.At("deep/below"));
        Directory.CreateDirectory(_folder.At("below"));
        File.CreateSymbolicLink(_folder.At("image/way"), "../deep/one");
        File.CreateSymbolicLink(_folder.At("image/parent"), target[0] == '/' ? _folder.FullPath + target : target);

        Assert.Equal(_folder.At(found), new DirectoryImageSource(_folder.At("image")).Parent?.Path);
    }

    [Fact]
    public void A_parent_that_is_no_link_is_read_too_since_criu_reads_it()
    {
        Directory.CreateDirectory(_folder.At("image/parent"));

        Assert.Equal(_folder.At("image/parent"), new DirectoryImageSource(_folder.At("image")).Parent?.Path);
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private static string Read(DirectoryImageSource source, string name)
    {
        using ImageFile file = source.Open(name);
        byte[] bytes = new byte[file.Length];
        file.ReadExactlyAt(0, bytes);
        return Encoding.UTF8.GetString(bytes);
    }
}
