using System.Text;
using System.Text.RegularExpressions;
using PSCrac.Images.Operations;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Operations;

/// <summary>Searches the memory of images.</summary>
[Collection(Zoo.Collection)]
public class MemorySearchTests(Zoo zoo)
{
    [CriuFact("python3")]
    public void A_match_can_be_read_at_its_address()
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
    public void Unattached_System_V_memory_is_found_without_a_process()
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
    public void An_unmapped_memfd_is_found_with_the_processes_that_have_it_open()
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
    public void A_process_that_is_not_in_the_image_is_an_error() =>
        Assert.Equal(
            CracReason.ProcessNotFound,
            Assert.Throws<CracException>(() => new MemorySearch(zoo.Host, MemoryPattern.FromString("x"), [int.MaxValue]).Run().Any()).Reason);

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
    public void A_search_finds_what_the_pages_file_contains()
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
}
