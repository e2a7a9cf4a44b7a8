using System.Text;
using PSCrac.CoreDumps;
using PSCrac.Images.Memory;
using PSCrac.Images.Operations;
using PSCrac.Tests.CoreDumps;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Memory;

/// <summary>Reads the memory of images.</summary>
[Collection(Zoo.Collection)]
public class ProcessMemoryTests(Zoo zoo)
{
    [CriuFact("python3")]
    public void Zero_pages_read_as_zeros_and_errors_name_files_and_gaps()
    {
        CracImageProcess root = zoo.Host.Processes[0];
        CracImageMemoryArea shared = root.MemoryAreas.First(a => a.Path == "/memfd:/dev/zero");
        Assert.Equal(new byte[4096], root.ReadMemory(shared.End - 4096, 4096));

        CracImageMemoryArea mapped = root.MemoryAreas.Single(a => a.Path.EndsWith("/mapped", StringComparison.Ordinal));
        Assert.Contains("in the file", Assert.Throws<CracException>(() => root.ReadMemory(mapped.Start, 1)).Message);
        Assert.Equal(CracReason.MemoryNotInImage, Assert.Throws<CracException>(() => root.ReadMemory(1, 1)).Reason);
    }

    [CriuTheory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Pages_of_a_parent_image_are_read_searched_and_dumped_as_one_memory(bool compressed, bool compressedParent)
    {
        using DumpedProcess dumped = DumpedProcess.OfScript("x=1; : > $READY; sleep 1000; :");
        CracImageProcess root = CracImage.Open(dumped.Path).Processes[0];
        PageRun run = root.Pages!.Runs.ToArray().First(r => r.IsPresent && r.Pages >= 3);
        byte[] expected = root.ReadMemory(run.Address, (int)run.Pages * 4096);
        string needle = "ACROSS THE SEAM";
        Encoding.ASCII.GetBytes(needle).CopyTo(expected, 4096 - 7);

        // The parent gets everything; the image itself keeps the page behind the first of one run, and takes the others from there.
        string child = ImageCopy.Create(dumped.Path);
        try
        {
            string pages = root.Pages.PagesFile;
            string map = PageMap.NameFor(root.ProcessId);
            byte[] all = File.ReadAllBytes(Path.Combine(dumped.Path, pages));
            expected.CopyTo(all, (int)run.FilePage * 4096);
            File.WriteAllBytes(Path.Combine(dumped.Path, pages), all);
            File.WriteAllBytes(Path.Combine(child, pages), expected[4096..8192]);
            PagemapFile.Write(Path.Combine(child, map), root.Pages.PagesId, root.Pages.Runs.ToArray().SelectMany(r => r == run
                ? new[] { r with { Pages = 1, Flags = PageFlags.Parent }, r with { Address = r.Address + 4096, Pages = 1 }, r with { Address = r.Address + 8192, Pages = r.Pages - 2, Flags = PageFlags.Parent } }
                : [r with { Flags = PageFlags.Parent }]));
            all.AsSpan(((int)run.FilePage + 1) * 4096, 4096).Fill((byte)'!');
            File.WriteAllBytes(Path.Combine(dumped.Path, pages), all);
            foreach (string image in (IEnumerable<string>)[.. compressed ? [child] : Array.Empty<string>(), .. compressedParent ? [dumped.Path] : Array.Empty<string>()])
            {
                CompressedImage.Create(image, 16);
            }

            Directory.CreateSymbolicLink(Path.Combine(child, "parent"), dumped.Path);

            CracImage opened = CracImage.Open(child);
            Assert.Equal(expected, opened.Processes[0].ReadMemory(run.Address, expected.Length));
            CracMemoryMatch match = Assert.Single(new MemorySearch(opened, MemoryPattern.FromString(needle)).Run());
            Assert.Equal(run.Address + 4096 - 7, match.Address);
            Assert.Empty(new MemorySearch(opened, MemoryPattern.FromString("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!")).Run());
            Assert.Empty(ImageCheck.Run(opened));
            CracCoreDump core = CoreDumpExport.Run(new CoreDumpRequest { Process = opened.Processes[0], DestinationPath = child + ".core" });
            Assert.Equal(expected, new ElfCore(core.Path).ReadMemory(run.Address, expected.Length));

            File.Delete(Path.Combine(child, "parent"));
            Assert.Contains(ImageCheck.Run(CracImage.Open(child)), f => f.Message.Contains("parent", StringComparison.Ordinal));
            Assert.Contains("parent image", Assert.Throws<CracException>(() => CracImage.Open(child).Processes[0].ReadMemory(run.Address, 1)).Message);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(child)!, recursive: true);
        }
    }
}
