using PSCrac.Stores;
using Xunit;

namespace PSCrac.Tests.Stores;

public class StoreNameTests
{
    [Theory]
    [InlineData("oci:/srv/store:v1", "/srv/store", null, null, "v1")]
    [InlineData("oci:/srv/store", "/srv/store", null, null, null)]
    [InlineData("oci:./store:v1", "./store", null, null, "v1")]
    [InlineData("oci:~/store:v1", "~/store", null, null, "v1")]
    [InlineData("oci:v1", null, null, null, "v1")]
    [InlineData("oci:", null, null, null, null)]
    [InlineData("OCI:/srv/store:V1.2_x-y", "/srv/store", null, null, "V1.2_x-y")]
    [InlineData("oci://registry.example:5000/app:v2", null, "registry.example:5000", "app", "v2")]
    [InlineData("oci://localhost/team/some.app", null, "localhost", "team/some.app", null)]
    [InlineData("oci://[::1]:5000/app:1", null, "[::1]:5000", "app", "1")]
    public void A_name_is_read(string text, string? folder, string? host, string? repository, string? tag)
    {
        Assert.True(StoreName.IsName(text));
        var name = StoreName.Parse(text);
        Assert.Equal((folder, host, repository, tag), (name.Folder, name.Host, name.Repository, name.Tag));
        Assert.Equal(host is not null, name.IsRegistry);
        Assert.Equal("oci:" + text[4..], name.ToString());
    }

    [Theory]
    [InlineData("oci:/srv/st:ore:v1", "tag")]
    [InlineData("oci:/srv/st:ore/x", "colon")]
    [InlineData("oci:store:v1", "oci:./store:v1")]
    [InlineData("oci::v1", "slash")]
    [InlineData("oci:..", "tag")]
    [InlineData("oci:v*", "wildcards")]
    [InlineData("oci:/srv/store:v[12]", "wildcards")]
    [InlineData("oci:/srv/store:", "tag")]
    [InlineData("oci:/srv/store:-v", "tag")]
    [InlineData("oci:v1\n", "tag")]
    [InlineData("oci:///app:v1", "host")]
    [InlineData("oci://host", "repository")]
    [InlineData("oci://host/:v1", "repository")]
    [InlineData("oci://host/App:v1", "lower-case")]
    [InlineData("oci://host/app:v*", "wildcards")]
    [InlineData("oci://me:secret@host/app:v1", "-AuthFile")]
    [InlineData("oci://host/app@sha256:00", "repository")]
    [InlineData("oci://-oops/app:v1", "host")]
    [InlineData("oci://host/../x:v1", "repository")]
    public void What_is_no_name_is_refused_with_the_reason(string text, string expected)
    {
        Assert.True(StoreName.IsName(text));
        CracException thrown = Assert.Throws<CracException>(() => StoreName.Parse(text));
        Assert.Equal(CracReason.OptionRefused, thrown.Reason);
        Assert.Contains(expected, $"{thrown.Message} {thrown.RecommendedAction}", StringComparison.Ordinal);
        Assert.False(string.IsNullOrEmpty(thrown.RecommendedAction));
    }

    [Theory]
    [InlineData("app")]
    [InlineData("./oci:x")]
    [InlineData("/oci:/x")]
    [InlineData("ocix:/a")]
    public void Other_texts_are_no_names(string text) => Assert.False(StoreName.IsName(text));

    [Fact]
    public void A_folder_gets_its_full_path_which_must_have_no_colon()
    {
        Assert.Equal("/srv/store", StoreName.Parse("oci:./store:v1").WithFullPath(static path => "/srv" + path[1..] + "/").Folder);
        Assert.Equal(StoreName.DefaultFolder, StoreName.Parse("oci:v1").WithFullPath(static path => path).Folder);
        CracException thrown = Assert.Throws<CracException>(() => StoreName.Parse("oci:./store:v1").WithFullPath(static _ => "/srv:1/store"));
        Assert.Contains("colon", thrown.Message, StringComparison.Ordinal);
    }
}
