using PSCrac.Images.Operations;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Operations;

/// <summary>Compares two images.</summary>
public class ImageComparisonTests
{
    [CriuFact]
    public void Changed_pages_are_differences()
    {
        using DumpedProcess first = DumpedProcess.OfScript("x=1; : > $READY; sleep 1000 & exec 7</etc/passwd; sleep 1000; :");
        CracImage image = CracImage.Open(first.Path);
        Assert.Empty(ImageComparison.Compare(image, CracImage.Open(first.Path)));

        CracImageProcess root = image.Processes[0];
        string pages = Path.Combine(first.Path, root.Pages!.PagesFile);
        string copy = ImageCopy.Create(first.Path);
        try
        {
            pages = Path.Combine(copy, root.Pages.PagesFile);
            byte[] bytes = File.ReadAllBytes(pages);
            bytes[5] ^= 1;
            bytes[4096 * 3] ^= 1;
            File.WriteAllBytes(pages, bytes);
            CracImageDifference[] differences = [.. ImageComparison.Compare(image, CracImage.Open(copy))];
            Assert.Equal([CracDifferenceKind.Pages, CracDifferenceKind.AllPages], differences.Select(d => d.Kind));
            Assert.Equal(differences[0].Bytes, differences[1].Bytes);
            CracImageDifference difference = differences[0];
            Assert.Equal(2 * 4096, difference.Bytes);
            Assert.Equal(root.ProcessId, difference.ProcessId);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(copy)!, recursive: true);
        }
    }
}
