using PSCrac.Images.Operations;
using Xunit;

namespace PSCrac.Tests.Images.Operations;

public class ImageNameTests
{
    [Theory]
    [InlineData("x")]
    [InlineData(".x")]
    [InlineData("...")]
    [InlineData("~x")]
    [InlineData("a b")]
    [InlineData("a[1]*?`'\"$:")]
    public void A_plain_file_name_is_good(string name)
    {
        Assert.Null(ImageName.FindFault(name));
        Assert.Null(ImageName.FindFault(new string('x', 255)));
        Assert.Equal(Path.Combine(ImageRoot.Path, name), ImageRoot.PathOf(name));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData(" x")]
    [InlineData("x\t")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("~")]
    [InlineData("a/b")]
    [InlineData("a\\b")]
    [InlineData("-x")]
    [InlineData("a\nb")]
    [InlineData("a\u0000b")]
    [InlineData("a\u009bb")]
    [InlineData("a\u2029b")]
    [InlineData(".pscrac-0.partial")]
    public void What_is_no_file_name_or_means_something_else_is_refused(string name)
    {
        Assert.NotNull(ImageName.FindFault(name));
        Assert.Equal(CracReason.OptionRefused, Assert.Throws<CracException>(() => ImageRoot.PathOf(name)).Reason);
    }

    [Fact]
    public void What_the_kernel_could_not_keep_is_refused()
    {
        Assert.NotNull(ImageName.FindFault(new string('ü', 128)));
        Assert.NotNull(ImageName.FindFault("a\ud800b"));
    }

    [Theory]
    [InlineData("sleep", "sleep-7")]
    [InlineData("kworker/0:1", "kworker_0:1-7")]
    [InlineData("-x", "process-7")]
    [InlineData("~", "~-7")]
    [InlineData("a\nb", "a_b-7")]
    [InlineData("", "process-7")]
    public void A_process_always_has_a_good_one(string command, string expected)
    {
        Assert.Equal(expected, ImageName.ForProcess(command, 7));
        Assert.Null(ImageName.FindFault(expected));
    }
}
