using System.Text;
using System.Text.RegularExpressions;
using PSCrac.Images.Manifest;
using PSCrac.Images.Memory;
using PSCrac.Images.Operations;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images;

/// <summary>Memory read, searched and compared, on the zoo and on images put together by hand.</summary>
[Collection(Zoo.Collection)]
public class MemoryTests(Zoo zoo)
{
    [CriuFact("python3")]
    public void What_a_search_finds_can_be_read_at_its_address()
    {
        CracImage image = zoo.Host;
        CracMemoryMatch match = new MemorySearch(image, MemoryPattern.FromString("ZOO_WITHOUT=sysv,tun")).Run().First(m => m.ProcessId == image.RootProcessId);
        Assert.Contains("ZOO_WITHOUT=sysv,tun", match.Context);
        Assert.Equal("ZOO_WITHOUT=sysv,tun"u8, match.Bytes);
        Assert.NotNull(match.Area);
        Assert.Equal(match.Bytes, match.Process!.ReadMemory(match.Address, match.Length));
    }

    [CriuFact("python3")]
    public void Shared_memory_is_found_across_pages_and_once_for_each_process_that_maps_it()
    {
        CracMemoryMatch[] matches = [.. new MemorySearch(zoo.Host, MemoryPattern.FromString("SHARED SECRET")).Run().Where(m => m.Area!.IsShared)];
        Assert.Equal(zoo.Host.Processes.Count(p => p.MemoryAreas.Count > 0), matches.Length);
        Assert.All(matches, m => Assert.Equal(4090ul, m.Address - m.Area!.Start));
        Assert.All(matches, m => Assert.Equal("SHARED SECRET"u8, m.Process!.ReadMemory(m.Address, 13)));
    }

    [CriuFact("python3", "unshare", "ip")]
    public void System_V_memory_is_found() =>
        Assert.Contains(new MemorySearch(zoo.Namespaces, MemoryPattern.FromString("SYSV SECRET")).Run(), m => m.Area?.Path == "[sysv]");

    [CriuFact("python3", "unshare")]
    public void System_V_memory_that_nobody_is_attached_to_is_found_and_nobody_s()
    {
        const string Program = """
            import ctypes, os
            os.closerange(3, 256)
            libc = ctypes.CDLL(None)
            libc.shmat.restype = ctypes.c_void_p
            libc.shmdt.argtypes = [ctypes.c_void_p]
            a = libc.shmat(libc.shmget(0x4321, 8192, 0o1600), None, 0)
            ctypes.memmove(a + 4096, b"DETACHED " + b"SECRET", 15)
            libc.shmdt(a)
            del a
            open(os.environ["READY"], "w").close()
            libc.pause()
            """;
        using DumpedProcess dumped = DumpedProcess.OfScript($"exec unshare -i python3 -c '{Program}'");
        CracImage image = CracImage.Open(dumped.Path);
        CracMemoryMatch match = Assert.Single(new MemorySearch(image, MemoryPattern.FromString("DETACHED SECRET")).Run(), m => m.Process is null);
        Assert.Null(match.Area);
        Assert.Equal(("[sysv]", 4096ul), (match.Location, match.Address));
        Assert.Equal("DETACHED SECRET"u8, match.Bytes);
        Assert.DoesNotContain(new MemorySearch(image, MemoryPattern.FromString("DETACHED SECRET"), [image.RootProcessId]).Run(), m => m.Process is null);
    }

    [CriuFact("python3")]
    public void A_memfd_that_nobody_maps_is_found_with_who_has_it_open()
    {
        CracImage image = zoo.Host;
        CracMemoryMatch[] matches = [.. new MemorySearch(image, MemoryPattern.FromString("UNMAPPED SECRET")).Run().Where(m => m.Location == "/memfd:zoo unmapped")];
        Assert.Equal(
            image.Files.Where(f => f.Path == "/memfd:zoo unmapped").Select(f => (int?)f.ProcessId).Distinct().Order(),
            matches.Select(m => m.ProcessId).Order());
        Assert.Contains(image.RootProcessId, matches.Select(m => m.ProcessId!.Value));
        Assert.All(matches, m =>
        {
            Assert.Null(m.Area);
            Assert.Equal(4090ul, m.Address);
            Assert.Equal("UNMAPPED SECRET"u8, m.Bytes);
            Assert.StartsWith("UNMAPPED SECRET", m.Context[m.ContextStart..]);
        });
        Assert.Equal([image.RootProcessId], new MemorySearch(image, MemoryPattern.FromString("UNMAPPED SECRET"), [image.RootProcessId]).Run()
            .Where(m => m.Area is null).Select(m => m.ProcessId!.Value));
    }

    [CriuFact("python3")]
    public void A_process_that_is_not_in_the_image_is_not_searched_in_silence() =>
        Assert.Equal(
            CracReason.ProcessNotFound,
            Assert.Throws<CracException>(() => new MemorySearch(zoo.Host, MemoryPattern.FromString("x"), [int.MaxValue]).Run().Any()).Reason);

    [CriuFact("python3")]
    public void Zero_pages_read_as_zeros_and_files_and_holes_say_what_they_are()
    {
        CracImageProcess root = zoo.Host.Processes[0];
        CracImageMemoryArea shared = root.MemoryAreas.First(a => a.Path == "/memfd:/dev/zero");
        Assert.Equal(new byte[4096], root.ReadMemory(shared.End - 4096, 4096));

        CracImageMemoryArea mapped = root.MemoryAreas.Single(a => a.Path.EndsWith("/mapped", StringComparison.Ordinal));
        Assert.Contains("in the file", Assert.Throws<CracException>(() => root.ReadMemory(mapped.Start, 1)).Message);
        Assert.Equal(CracReason.MemoryNotInImage, Assert.Throws<CracException>(() => root.ReadMemory(1, 1)).Reason);
    }

    [CriuFact("python3")]
    public void Expressions_and_bytes_and_UTF_16_are_found()
    {
        CracImage image = zoo.Host;
        Assert.Contains(new MemorySearch(image, MemoryPattern.FromExpression(new Regex("ZOO_[A-Z]+=sysv"))).Run(), m => Encoding.ASCII.GetString(m.Bytes) == "ZOO_WITHOUT=sysv");
        Assert.NotEmpty(new MemorySearch(image, MemoryPattern.FromBytes(0x7f, (byte)'E', (byte)'L', (byte)'F')).Run());
        Assert.Empty(new MemorySearch(image, MemoryPattern.FromString("nobody wrote this ever" + Guid.NewGuid(), alsoUtf16: true)).Run());
        Assert.All(new MemorySearch(image, MemoryPattern.FromString("SHARED SECRET"), [image.RootProcessId]).Run(), m => Assert.Equal(image.RootProcessId, m.ProcessId));
    }

    [CriuFact("python3")]
    public void A_search_agrees_with_looking_through_the_pages_file()
    {
        CracImage image = zoo.Host;
        int expected = 0;
        foreach (string file in Directory.GetFiles(image.Path, "pages-*.img"))
        {
            ReadOnlySpan<byte> pages = File.ReadAllBytes(file);
            for (int at; (at = pages.IndexOf("python"u8)) >= 0; pages = pages[(at + 6)..])
            {
                expected++;
            }
        }

        // A match across pages that are not neighbours is none; with a word this short there are hardly any.
        int found = new MemorySearch(image, MemoryPattern.FromString("python")).Run().DistinctBy(m => m.Area!.IsShared ? $"{m.Area.Path}" : $"{m.ProcessId}:{m.Address}").Count();
        Assert.InRange(found, expected - 5, expected);
    }

    [CriuFact]
    public void Two_images_of_a_process_differ_in_what_it_did_between()
    {
        using DumpedProcess first = DumpedProcess.OfScript("x=1; : > $READY; sleep 1000 & exec 7</etc/passwd; sleep 1000; :");
        CracImage image = CracImage.Open(first.Path);
        Assert.Empty(ImageComparison.Compare(image, CracImage.Open(first.Path)));

        CracImageProcess root = image.Processes[0];
        string pages = Path.Combine(first.Path, root.Pages!.PagesFile);
        string copy = Copy(first.Path);
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

    [CriuFact]
    public void Pages_of_a_parent_image_are_read_and_searched_as_one_memory()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript("x=1; : > $READY; sleep 1000; :");
        CracImageProcess root = CracImage.Open(dumped.Path).Processes[0];
        PageRun run = root.Pages!.Runs.ToArray().First(r => r.IsPresent && r.Pages >= 3);
        byte[] expected = root.ReadMemory(run.Address, (int)run.Pages * 4096);
        string needle = "ACROSS THE SEAM";
        Encoding.ASCII.GetBytes(needle).CopyTo(expected, 4096 - 7);

        // The parent gets everything; the image itself keeps the page behind the first of one run, and takes the others from there.
        string child = Copy(dumped.Path);
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
            Directory.CreateSymbolicLink(Path.Combine(child, "parent"), dumped.Path);

            CracImage image = CracImage.Open(child);
            Assert.Equal(expected, image.Processes[0].ReadMemory(run.Address, expected.Length));
            CracMemoryMatch match = Assert.Single(new MemorySearch(image, MemoryPattern.FromString(needle)).Run());
            Assert.Equal(run.Address + 4096 - 7, match.Address);
            Assert.Empty(new MemorySearch(image, MemoryPattern.FromString("!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!")).Run());
            Assert.Empty(ImageCheck.Run(image));

            File.Delete(Path.Combine(child, "parent"));
            Assert.Contains(ImageCheck.Run(CracImage.Open(child)), f => f.Message.Contains("parent", StringComparison.Ordinal));
            Assert.Contains("parent image", Assert.Throws<CracException>(() => CracImage.Open(child).Processes[0].ReadMemory(run.Address, 1)).Message);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(child)!, recursive: true);
        }
    }

    [CriuFact("python3")]
    public void A_sound_image_has_nothing_wrong() => Assert.Empty(zoo.All.SelectMany(ImageCheck.Run));

    [CriuFact]
    public void What_an_earlier_checkpoint_left_in_the_folder_is_no_damage()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        CracImage image = CracImage.Open(dumped.Path);
        PagemapFile.Write(Path.Combine(dumped.Path, "pagemap-2000000000.img"), image.Processes[0].Pages!.PagesId, [new PageRun(0x10000, 7, PageFlags.Present, 0)]);
        Assert.Empty(ImageCheck.Run(CracImage.Open(dumped.Path)));
        PagemapFile.Write(Path.Combine(dumped.Path, "pagemap-shmem-2000000000.img"), image.Processes[0].Pages!.PagesId, [new PageRun(0x10000, 7, PageFlags.Present, 0)]);
        Assert.NotEmpty(ImageCheck.Run(CracImage.Open(dumped.Path)));
    }

    [CriuFact]
    public void Damage_of_every_sort_is_found()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript("exec 7</etc/passwd; : > $READY; sleep 1000 & wait");
        CracImageProcess root = CracImage.Open(dumped.Path).Processes[0];
        string pages = root.Pages!.PagesFile;
        AssertFinding(dumped.Path, pages, bytes => bytes[..^4096], pages);
        AssertFinding(dumped.Path, "files.img", bytes => bytes[..8], "files.img");
        AssertFinding(dumped.Path, "pstree.img", bytes => [.. bytes[..4], 1, 2, 3, 4, .. bytes[8..]], "pstree.img");
        AssertFinding(dumped.Path, $"mm-{root.ProcessId}.img", null, $"mm-{root.ProcessId}.img");
        AssertFinding(dumped.Path, PageMap.NameFor(root.ProcessId), null, PageMap.NameFor(root.ProcessId));
        AssertFinding(dumped.Path, "core-" + root.ProcessId + ".img", bytes => bytes[..^1], "core-" + root.ProcessId + ".img");
        Assert.Empty(ImageCheck.Run(CracImage.Open(dumped.Path)));
    }

    [CriuFact]
    public void A_manifest_s_sizes_and_hashes_are_held_against_the_files()
    {
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        using (FileStream stream = File.Create(Path.Combine(dumped.Path, ImageManifest.FileName)))
        {
            (ImageManifestTests.Sample() with { Files = ImageManifest.Describe(dumped.Path) }).Write(stream);
        }

        Assert.Empty(ImageCheck.Run(CracImage.Open(dumped.Path)));
        // A changed number in a message that stays well-formed: only the hash tells.
        string fs = Directory.GetFiles(dumped.Path, "fs-*.img")[0];
        byte[] bytes = File.ReadAllBytes(fs);
        bytes[^1] ^= 1;
        File.WriteAllBytes(fs, bytes);
        CracImageFinding finding = Assert.Single(ImageCheck.Run(CracImage.Open(dumped.Path)));
        Assert.Equal(CracReason.ImageCorrupt, finding.Reason);
        Assert.Equal(Path.GetFileName(fs), finding.FileName);
    }

    private static void AssertFinding(string path, string file, Func<byte[], byte[]>? damage, string named)
    {
        string full = Path.Combine(path, file);
        byte[] sound = File.ReadAllBytes(full);
        if (damage is null)
        {
            File.Delete(full);
        }
        else
        {
            File.WriteAllBytes(full, damage(sound));
        }

        try
        {
            Assert.Contains(named, ImageCheckOrOpen(path));
        }
        finally
        {
            File.WriteAllBytes(full, sound);
        }
    }

    /// <summary>The files named by findings, or by the exception where the image does not even open.</summary>
    private static string?[] ImageCheckOrOpen(string path)
    {
        try
        {
            return [.. ImageCheck.Run(CracImage.Open(path)).Select(f => f.FileName)];
        }
        catch (CracException e)
        {
            return [e.FileName];
        }
    }

    private static string Copy(string path)
    {
        string copy = Path.Combine(Directory.CreateTempSubdirectory("pscrac-copy-").FullName, "image");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(path))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }

        return copy;
    }
}
