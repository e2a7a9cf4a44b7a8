using PSCrac.Images.Manifest;
using PSCrac.Images.Model;
using PSCrac.Images.Operations;
using PSCrac.Tests.Images.Manifest;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Operations;

/// <summary>What a rule removes of a folder's images, and what it leaves since something else needs it.</summary>
public sealed class ImageRetentionTests(ImageRetentionTests.Dumped dumped) : IClassFixture<ImageRetentionTests.Dumped>, IDisposable
{
    private static readonly DateTimeOffset s_now = new(2026, 11, 27, 12, 0, 0, TimeSpan.Zero);
    private readonly TemporaryFolder _folder = new();

    [CriuFact]
    public void The_newest_are_kept_of_each_command_line()
    {
        CracImage[] images = [Make("a1", 4), Make("a2", 3), Make("a3", 2), Make("b1", 9, command: "other"), Make("b2", 8, command: "other")];

        Assert.Equal(["a1"], Removed(images, new RetentionRule { KeepLast = 2 }));
        Assert.Equal(["a1", "a2", "b1"], Removed(images, new RetentionRule { KeepLast = 1 }));
    }

    [CriuFact]
    public void Of_two_conditions_both_must_hold()
    {
        CracImage[] images = [Make("a1", 10), Make("a2", 8), Make("a3", 5), Make("a4", 1)];
        var week = TimeSpan.FromDays(7);

        Assert.Equal(["a1", "a2"], Removed(images, new RetentionRule { OlderThan = week }));
        Assert.Equal(["a1"], Removed(images, new RetentionRule { OlderThan = week, KeepLast = 3 }));
        Assert.Equal(["a1", "a2"], Removed(images, new RetentionRule { OlderThan = week, KeepLast = 1 }));
        Assert.Empty(Removed(images, new RetentionRule { OlderThan = TimeSpan.FromDays(11), KeepLast = 0 }));
    }

    [CriuFact]
    public void The_oldest_go_until_the_rest_is_small_enough()
    {
        CracImage[] images = [Make("a3", 1), Make("a1", 3), Make("a2", 2)];
        long one = images[0].Size;

        Assert.Equal(["a1"], Removed(images, new RetentionRule { MaximumSize = (2 * one) + 1000 }));
        Assert.Equal(["a1", "a2"], Removed(images, new RetentionRule { MaximumSize = one + 1000 }));
        Assert.Equal(["a1"], Removed(images, new RetentionRule { MaximumSize = 0, KeepLast = 2 }));
        Assert.Empty(Removed(images, new RetentionRule { MaximumSize = images.Sum(static image => image.Size) }));
    }

    [CriuFact]
    public void An_incomplete_image_takes_no_place_of_a_good_one()
    {
        CracImage[] images = [Make("a1", 4), Make("a2", 3), Make("broken", 1)];
        File.Delete(Directory.GetFiles(_folder.At("broken"), "core-*.img")[0]);

        Assert.Equal(["broken"], Removed(images, new RetentionRule { KeepLast = 2 }));
    }

    [CriuFact]
    public void The_only_good_image_of_a_service_stays_and_that_of_a_program_does_not()
    {
        CracImage[] service = [Make("web/20261120-000000", 7), Make("web/20261121-000000", 6), Make("web/20261122-000000", 5)];
        var all = new RetentionRule { OlderThan = TimeSpan.FromHours(1) };

        Assert.Equal(["20261120-000000", "20261121-000000"], Removed(service, all));
        Assert.Equal(["20261120-000000"], Removed([service[0]], all));

        Directory.Move(service[1].Path, service[1].Path + ImageSeries.SetAsideExtension);
        Directory.Move(service[2].Path, service[2].Path + ImageSeries.SetAsideExtension);
        service = [.. ImageSeries.Find(_folder.At("web")).Select(static path => CracImage.Open(path))];
        Assert.Equal(["20261121-000000.set-aside", "20261122-000000.set-aside"], Removed(service, new RetentionRule { KeepLast = 1 }));
        RetentionSelection selection = ImageRetention.Select([service[0]], all, s_now);
        Assert.Contains("web", Assert.Single(selection.Kept).Reason);

        Assert.Equal(["program"], Removed([Make("program", 7)], all));
    }

    [CriuFact]
    public void Images_of_two_services_of_one_command_line_are_counted_apart()
    {
        CracImage[] images = [Make("one/20261120-000000", 7), Make("two/20261121-000000", 6)];

        Assert.Empty(Removed(images, new RetentionRule { KeepLast = 1 }));
    }

    [CriuFact]
    public void A_parent_stays_with_its_child_and_goes_after_it()
    {
        CracImage[] images = [Make("a1", 4), Make("a2", 3), Make("a3", 2), Make("a4", 1)];
        File.CreateSymbolicLink(_folder.At("a3/parent"), "../a2");
        File.CreateSymbolicLink(_folder.At("a2/parent"), "../a1");

        RetentionSelection some = ImageRetention.Select(images, new RetentionRule { KeepLast = 2 }, s_now);
        Assert.Empty(some.Removed);
        Assert.Equal(["a1", "a2"], some.Kept.Select(static kept => kept.Image.Name).Order());
        Assert.Contains(_folder.At("a3"), some.Kept[0].Reason);

        Assert.Equal(["a3", "a2", "a1"], Removed(images, new RetentionRule { KeepLast = 1 }));
    }

    [CriuFact]
    public void An_image_stays_whose_helper_links_another_one_has_too()
    {
        ImageManifestOutsideFile[] links = [new("/srv/link_remap.1", 4711, 0)];
        CracImage[] images = [Make("a1", 4, links), Make("a2", 3), Make("a3", 1, links)];

        RetentionSelection selection = ImageRetention.Select(images, new RetentionRule { KeepLast = 1 }, s_now);

        Assert.Equal(["a2"], selection.Removed.Select(static image => image.Name));
        Assert.Contains(_folder.At("a3"), Assert.Single(selection.Kept).Reason);
        Assert.Equal(["a1", "a2", "a3"], Removed(images, new RetentionRule { KeepLast = 0 }));
    }

    [Fact]
    public void A_series_has_the_images_that_are_named_by_a_time_oldest_first()
    {
        foreach (string name in (string[])["web/20261127-140533", "web/20251127-140533", "web/latest", "web/20241127-140533.set-aside", "web/20261127-250000", "image/20261127-140533"])
        {
            ManifestImage.Make(_folder.At(name));
        }

        ManifestImage.Make(_folder.At("image"));
        Directory.CreateDirectory(_folder.At("web/20261127-140534"));

        Assert.Equal([_folder.At("web/20241127-140533.set-aside"), _folder.At("web/20251127-140533"), _folder.At("web/20261127-140533")], ImageSeries.Find(_folder.At("web")));
        Assert.Empty(ImageSeries.Find(_folder.At("image")));
        Assert.Empty(ImageSeries.Find(_folder.At("none")));
        Assert.Equal("20261127-140533", ImageSeries.NameOf(new DateTimeOffset(2026, 11, 27, 15, 5, 33, TimeSpan.FromHours(1)).UtcDateTime));
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private static string[] Removed(CracImage[] images, RetentionRule rule) =>
        [.. ImageRetention.Select(images, rule, s_now).Removed.Select(static image => image.Name)];

    // A real image, with a manifest of any time and command line.
    private CracImage Make(string name, int days, ImageManifestOutsideFile[]? links = null, string command = "counter")
    {
        string path = _folder.At(name);
        Directory.CreateDirectory(path);
        foreach (string file in Directory.GetFiles(dumped.Process!.Path))
        {
            File.Copy(file, Path.Combine(path, Path.GetFileName(file)));
        }

        ImageManifest sample = ImageManifestTests.Sample();
        using (FileStream stream = File.Create(Path.Combine(path, ImageManifest.FileName)))
        {
            (sample with
            {
                Created = s_now.AddDays(-days),
                Files = [],
                OutsideFiles = links ?? [],
                Process = sample.Process with { RootPid = dumped.Process.ProcessId, Command = [command] },
            }).Write(stream);
        }

        return CracImage.Open(path);
    }

    /// <summary>One image for all tests; none where criu cannot run.</summary>
    public sealed class Dumped : IDisposable
    {
        internal DumpedProcess? Process { get; } = CriuProgram.WhyNot is null ? DumpedProcess.OfScript("echo >\"$READY\"; exec sleep 1000") : null;

        /// <inheritdoc/>
        public void Dispose() => Process?.Dispose();
    }
}
