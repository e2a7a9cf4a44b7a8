using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Tests.Images.Manifest;
using Xunit;

namespace PSCrac.Tests.Images.Format;

/// <summary>A malformed file costs no more than it is worth: what is not an entry is damage, and what is kept has limits.</summary>
public class MalformedEntryTests
{
    private const int MiB = 1 << 20;

    [Fact]
    public void A_hole_in_a_file_of_any_type_is_damage()
    {
        foreach (ImageType type in ImageType.All)
        {
            byte[] bytes = [.. ImageBytes.Head(type), .. new byte[MiB]];
            CracImage image = Open(("hole.img", bytes));
            SchemaMessage first = ImageSchema.Get(type.First ?? type.Message!);
            CracException thrown = Assert.Throws<CracException>(() => new ImageContentReader(image).ReadFile("hole.img").Count());
            Assert.Equal((CracReason.ImageCorrupt, "hole.img"), (thrown.Reason, thrown.FileName));
            Assert.Contains(first.Required != 0 ? "required" : "empty entries", thrown.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("pstree.img", 900L * MiB)]
    [InlineData("pstree.img", 1L << 40)]
    [InlineData("fdinfo-2.img", 900L * MiB)]
    [InlineData("fs-7.img", 100L * MiB)]
    [InlineData("mm-7.img", 100L * MiB)]
    [InlineData("pagemap-7.img", 1L << 40)]
    public void A_large_hole_is_refused_at_once(string name, long length)
    {
        using var folder = new ImageFolder();
        folder.Extend(name, length);
        long before = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();
        CracException thrown = Assert.Throws<CracException>(() =>
        {
            CracImageProcess process = CracImage.Open(folder.Path).Processes[0];
            _ = process.DescriptorCount + process.Files.Count + process.MemoryAreas.Count + (double)process.Memory;
        });
        Assert.Equal(name, thrown.FileName);
        Assert.Equal(CracReason.ImageCorrupt, thrown.Reason);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 * MiB);
    }

    [Fact]
    public void A_process_has_an_id() => Refused("0 is not the id", ("pstree.img", Tree(1, _ => 0)));

    [Fact]
    public void The_processes_of_an_image_have_a_limit()
    {
        Refused($"more than {CracImageProcess.MaximumProcesses} processes", ("pstree.img", Tree(CracImageProcess.MaximumProcesses + 1, i => (uint)i + 1)));
        byte[] most = Tree(CracImageProcess.MaximumProcesses, i => (uint)i + 1);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        CracImage image = Open(("pstree.img", most));
        Assert.Equal(CracImageProcess.MaximumProcesses, image.ThreadCount);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, 0, 50 * MiB);
        GC.KeepAlive(image);
    }

    [Fact]
    public void The_threads_of_an_image_have_a_limit()
    {
        // Packed: a byte a thread.
        byte[] message = [0x08, 7, 0x10, 0, 0x18, 7, 0x20, 7, 0x2a, 0x80, 0x80, 0x80, 0x08, .. Enumerable.Repeat((byte)7, 16 * MiB)];
        byte[] length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, message.Length);
        Refused($"more than {CracImageProcess.MaximumThreads} values", ("pstree.img", [.. ImageBytes.Head(ImageType.Pstree), .. length, .. message]));
    }

    [Fact]
    public void The_descriptors_of_a_process_have_a_limit()
    {
        using var folder = new ImageFolder();
        folder.Write("fdinfo-2.img", ImageBytes.Repeat(ImageType.Fdinfo, MiB + 1, i => [(1, 1), (2, 0), (3, 1), (4, (uint)i)]));
        CracException thrown = Assert.Throws<CracException>(() => _ = CracImage.Open(folder.Path).Processes[0].DescriptorCount);
        Assert.Contains($"more than {MiB} descriptors", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_entries_of_one_image_have_a_limit_together()
    {
        CracImage image = Open();
        for (int i = 0; i < 10; i++)
        {
            image.Keep(100 * MiB, "a");
        }

        Assert.Contains("1024 MiB", Assert.Throws<CracException>(() => image.Keep(100 * MiB, "b")).Message, StringComparison.Ordinal);
        image.Keep(1, "c");
    }

    [Fact]
    public void The_values_of_a_manifest_have_a_limit()
    {
        using var manifest = new MemoryStream();
        ImageManifestTests.Sample().Write(manifest);
        string text = Encoding.UTF8.GetString(manifest.ToArray());
        foreach (string many in (string[])["\"options\": {\"a\": [", "\"warnings\": ["])
        {
            string value = many.Contains("options", StringComparison.Ordinal) ? "1," : "\"\",";
            string end = many.Contains("options", StringComparison.Ordinal) ? "1]}," : "\"\"],";
            string large = "{" + many + string.Concat(Enumerable.Repeat(value, 3_000_000)) + end + text[(text.IndexOf('{', StringComparison.Ordinal) + 1)..];
            Refused("values, the most that are read", (ImageManifest.FileName, Encoding.UTF8.GetBytes(large)));
        }
    }

    [Fact]
    public void The_files_of_a_folder_have_a_limit()
    {
        // In memory: 33,000 files.
        using var folder = new ImageFolder("/dev/shm");
        for (int i = 0; i < (NameBudget.MaximumImageNames / 250) + 10; i++)
        {
            folder.Write($"{i:d6}{new string('x', 244)}", []);
        }

        CracException thrown = Assert.Throws<CracException>(() => _ = CracImage.Open(folder.Path).Size);
        Assert.Contains($"{NameBudget.MaximumImageNames} characters", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_and_a_list_have_limits()
    {
        byte[] text = [.. ImageBytes.Head(ImageType.RegFiles), 0, 0, 0x20, 0, 0x32, 0xfc, 0xff, 0x7f, .. new byte[(2 * MiB) - 4]];
        byte[] list = [.. ImageBytes.Head(ImageType.Pstree), 0, 0, 0x20, 0, 0x2a, 0xfc, 0xff, 0x7f, .. new byte[(2 * MiB) - 4]];
        foreach ((byte[] bytes, string limit) in ((byte[], string)[])[(text, "a text has"), (list, $"more than {MiB} values")])
        {
            CracException thrown = Assert.Throws<CracException>(() => new ImageContentReader(Open(("a.img", bytes))).ReadFile("a.img").Count());
            Assert.Contains(limit, thrown.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_set_has_no_more_semaphores_than_the_kernel_numbers()
    {
        using var folder = new ImageFolder();
        byte[] description = [0x0a, 14, 0x08, 0, 0x10, 0, 0x18, 0, 0x20, 0, 0x28, 0, 0x30, 0, 0x38, 0];
        folder.Write("ipcns-sem-1.img", [.. ImageBytes.Head(ImageType.IpcnsSem), 22, 0, 0, 0, .. description, 0x10, 0xff, 0xff, 0xff, 0xff, 0x07]);
        folder.Extend("ipcns-sem-1.img", 1L << 40);
        CracException thrown = Assert.Throws<CracException>(() => new ImageContentReader(CracImage.Open(folder.Path)).ReadFile("ipcns-sem-1.img").Count());
        Assert.Contains("2147483647 semaphores", thrown.Message, StringComparison.Ordinal);
    }

    private static byte[] Tree(int count, Func<int, uint> id) => ImageBytes.Repeat(ImageType.Pstree, count, i => [(1, id(i)), (2, 0), (3, 1), (4, 1)]);

    private static CracImage Open(params (string Name, byte[] Bytes)[] files)
    {
        var all = new Dictionary<string, byte[]>
        {
            ["inventory.img"] = ImageBytes.Head(ImageType.Inventory),
            ["pstree.img"] = Tree(1, _ => 7),
        };
        foreach ((string name, byte[] bytes) in files)
        {
            all[name] = bytes;
        }

        return CracImage.Open(new MemoryImageSource(all, "", []));
    }

    private static void Refused(string limit, (string Name, byte[] Bytes) file)
    {
        var clock = Stopwatch.StartNew();
        long before = GC.GetAllocatedBytesForCurrentThread();
        CracException thrown = Assert.Throws<CracException>(() => Open(file));
        Assert.Equal((CracReason.ImageCorrupt, file.Name), (thrown.Reason, thrown.FileName));
        Assert.Contains(limit, thrown.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100 * MiB);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }
}
