using PSCrac.Images.Manifest;
using PSCrac.Tests.Images.Manifest;
using PSCrac.Tests.Images.Memory;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Model;

/// <summary>Images whose format is newer than what PSCrac knows are refused, and not read as something else.</summary>
[Collection(Zoo.Collection)]
public class NewerImageTests(Zoo zoo)
{
    [CriuTheory("python3")]
    [InlineData(4, 0, "version 4")]
    [InlineData(1000, 1, "version 1000")]
    [InlineData(3, 2, "way 2")]
    public void A_newer_image_is_refused_with_that_reason(uint version, uint compression, string what)
    {
        string copy = ImageCopy.Create(zoo.Host.Path);
        try
        {
            CompressedImage.SetInventory(copy, version, compression, 0);
            CracException e = Assert.Throws<CracException>(() => CracImage.Open(copy));
            Assert.Equal((CracReason.ImageTooNew, copy), (e.Reason, e.ImagePath));
            Assert.Contains(what, e.Message, StringComparison.Ordinal);
            Assert.NotNull(e.RecommendedAction);

            // With a manifest, which is read first.
            using (FileStream manifest = File.Create(Path.Combine(copy, ImageManifest.FileName)))
            {
                ImageManifestTests.Sample().Write(manifest);
            }

            Assert.Equal(CracReason.ImageTooNew, Assert.Throws<CracException>(() => CracImage.Open(copy)).Reason);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(copy)!, recursive: true);
        }
    }

    [CriuTheory("python3")]
    [InlineData(1)]
    [InlineData(3)]
    public void An_older_image_and_the_newest_known_are_read(uint version)
    {
        string copy = ImageCopy.Create(zoo.Host.Path);
        try
        {
            CompressedImage.SetInventory(copy, version, 0, 0);
            Assert.Equal(zoo.Host.Command, CracImage.Open(copy).Command);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(copy)!, recursive: true);
        }
    }
}
