using PSCrac.Images.Operations;
using PSCrac.Starting.Services;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting.Services;

/// <summary>The images of a service: found by their names, named one after the other, set aside, and which of them retention removes.</summary>
public sealed class ServiceImagesTests : IDisposable
{
    private readonly ServiceImages _images = new($"test-{Guid.NewGuid():N}");

    public void Dispose()
    {
        if (Directory.Exists(_images.Folder))
        {
            Directory.Delete(_images.Folder, recursive: true);
        }
    }

    [Fact]
    public void Images_are_found_by_their_names_the_newest_first()
    {
        Assert.Empty(_images.ReadAll());
        Make("20260102-030405", "20260102-030406.set-aside", "20251231-235959", "20261301-000000", "other", ".pscrac-20260102-030407");
        Directory.CreateDirectory(Path.Combine(_images.Folder, "20260102-030409"));
        Assert.Equal(["20260102-030406.set-aside", "20260102-030405", "20251231-235959"], Names(_images.ReadAll()));
        Assert.Equal(["20260102-030405", "20251231-235959"], Names(_images.ReadGood()));
        Assert.Equal(new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), _images.ReadGood()[0].Created);
    }

    [Fact]
    public void A_new_image_is_after_all_others_even_if_the_clock_was_set_back()
    {
        var now = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc);
        Assert.Equal(Path.Combine(_images.Folder, "20260102-030405"), _images.CreatePath(now));
        Make("20260102-030405");
        Assert.EndsWith("/20260102-030406", _images.CreatePath(now), StringComparison.Ordinal);
        Make("20260102-235959.set-aside");
        Assert.EndsWith("/20260103-000000", _images.CreatePath(now), StringComparison.Ordinal);
        Assert.EndsWith("/20270102-030405", _images.CreatePath(now.AddYears(1)), StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_that_is_set_aside_is_kept_but_not_good()
    {
        Make("20260102-030405", "20260102-030406");
        ServiceImage aside = _images.SetAside(_images.ReadGood()[0]);
        Assert.True(aside.IsSetAside);
        Assert.True(CracImage.IsImageDirectory(aside.Path));
        Assert.Equal(["20260102-030405"], Names(_images.ReadGood()));
        Assert.Equal(["20260102-030406.set-aside", "20260102-030405"], Names(_images.ReadAll()));
        Expect.Failure(CracReason.PermissionDenied, () => _images.SetAside(aside with { Path = Path.Combine(_images.Folder, "20260102-030406") }));
    }

    [Fact]
    public void Retention_keeps_the_newest_good_ones_and_the_newest_set_aside()
    {
        Make("20260101-000000", "20260102-000000", "20260103-000000", "20260104-000000.set-aside", "20260105-000000.set-aside");
        Assert.Equal(["20260101-000000", "20260104-000000.set-aside"], Names(_images.FindRemovable(keep: 2)));
        Assert.Equal(["20260101-000000", "20260102-000000", "20260104-000000.set-aside"], Names(_images.FindRemovable(keep: 1)));
        Assert.Equal(["20260104-000000.set-aside"], Names(_images.FindRemovable(keep: 3)));
        Assert.Throws<ArgumentOutOfRangeException>(() => _images.FindRemovable(keep: 0));
    }

    private void Make(params string[] names)
    {
        foreach (string name in names)
        {
            Directory.CreateDirectory(Path.Combine(_images.Folder, name));
            File.WriteAllText(Path.Combine(_images.Folder, name, "inventory.img"), "");
        }
    }

    private static string[] Names(IReadOnlyList<ServiceImage> images) => [.. images.Select(static image => Path.GetFileName(image.Path))];
}
