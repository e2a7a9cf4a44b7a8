using System.Diagnostics;
using PSCrac.Images.Format;
using PSCrac.Images.Manifest;
using PSCrac.Images.Memory;
using PSCrac.Images.Operations;
using PSCrac.Tests.Images.Manifest;
using PSCrac.Tests.Images.Memory;
using PSCrac.Tests.Support;
using Xunit;
using Xunit.Abstractions;

namespace PSCrac.Tests.Images.Format;

/// <summary>
/// Damages real images at random: every case ends in objects, or in a CracException that names the file and, where the
/// file's content is to blame, the offset; in bounded time and memory. CRAC_FUZZ_SEED repeats a run, CRAC_FUZZ_CASES makes it longer.
/// </summary>
[Collection(Zoo.Collection)]
public class FuzzTests(Zoo zoo, ITestOutputHelper output)
{
    private const int MaximumDamagedSize = 1 << 20;
    private static readonly TimeSpan s_timeLimit = TimeSpan.FromSeconds(20);

    [CriuFact("python3", "unshare", "ip")]
    public void Damaged_images_give_objects_or_an_exception_with_file_and_offset()
    {
        int seed = Setting("CRAC_FUZZ_SEED", Environment.TickCount);
        int cases = Setting("CRAC_FUZZ_CASES", 20_000);
        Console.WriteLine($"fuzz: seed {seed}, {cases} cases");
        output.WriteLine($"seed {seed}");
        Dictionary<string, byte[]>[] images = [.. zoo.All.Append(zoo.Compressed).Select(Load)];
        var random = new Random(seed);
        int thrown = 0;
        for (int i = 0; i < cases; i++)
        {
            Dictionary<string, byte[]> image = images[i % images.Length];
            string[] names = [.. image.Where(f => f.Value.Length <= MaximumDamagedSize).Select(f => f.Key)];
            string file = names[random.Next(names.Length)];
            byte[] damaged = Mutation.Damage(image[file], random);
            thrown += Try(new MemoryImageSource(image, file, damaged), file, $"seed {seed}, case {i}, {file}", typed: i % 4 == 0) ? 1 : 0;
        }

        output.WriteLine($"{thrown} of {cases} cases ended in an exception");
        Assert.InRange(thrown, cases / 20, cases);
    }

    [CriuFact("python3", "unshare", "ip")]
    public void Random_pagemaps_give_objects_or_an_exception_with_the_file()
    {
        int seed = Setting("CRAC_FUZZ_SEED", Environment.TickCount);
        int cases = Setting("CRAC_FUZZ_CASES", 20_000) / 10;
        Console.WriteLine($"fuzz of pagemaps: seed {seed}, {cases} cases");
        Dictionary<string, byte[]>[] images = [.. zoo.All.Append(zoo.Compressed).Select(Load)];
        CracImage[] sound = [.. images.Select(i => CracImage.Open(new MemoryImageSource(i, "", [])))];
        string folder = Directory.CreateTempSubdirectory("pscrac-fuzz-").FullName;
        try
        {
            var random = new Random(seed);
            int thrown = 0;
            for (int i = 0; i < cases; i++)
            {
                Dictionary<string, byte[]> image = images[i % images.Length];
                string[] maps = [.. image.Keys.Where(n => n.StartsWith("pagemap-", StringComparison.Ordinal))];
                string file = maps[random.Next(maps.Length)];
                CracImage own = sound[i % images.Length];
                PageRun[] runs = PageMap.Read(own.Source, file)?.Runs.ToArray() ?? [];
                PagemapFile.Write(Path.Combine(folder, "map"), (uint)random.Next(5), Wild(runs, random).Select(run => Blocks(run, random)));
                var source = new MemoryImageSource(image, file, File.ReadAllBytes(Path.Combine(folder, "map")));
                thrown += Expect($"seed {seed}, pagemap case {i}, {file}", source.Files.Sum(f => f.Length), () => Everywhere(CracImage.Open(source), own, random)) ? 1 : 0;
            }

            Assert.InRange(thrown, cases / 20, cases);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Runs of a sound map, with one made huge, put elsewhere, turned into the parent's or added.</summary>
    private static PageRun[] Wild(PageRun[] runs, Random random)
    {
        var wild = new List<PageRun>(runs);
        if (wild.Count == 0 || random.Next(8) == 0)
        {
            wild.Add(new PageRun((ulong)random.NextInt64() & ~0xffful, 1, PageFlags.Present, 0));
        }

        int at = random.Next(wild.Count);
        ulong huge = (ulong)random.NextInt64() >> random.Next(60);
        wild[at] = random.Next(4) switch
        {
            0 => wild[at] with { Pages = huge },
            1 => wild[at] with { Pages = huge, Flags = PageFlags.Lazy },
            2 => wild[at] with { Address = huge },
            _ => wild[at] with { Pages = huge, Flags = (PageFlags)random.Next(16) },
        };

        // Addresses that go down are refused at once: half of the cases are to get further.
        return random.Next(2) == 0 ? [.. wild.OrderBy(r => r.Address)] : [.. wild];
    }

    /// <summary>Some runs in blocks of random sizes, whose number fits more often than not.</summary>
    private static PagemapFile.Entry Blocks(PageRun run, Random random)
    {
        if (random.Next(3) > 0 || run.Pages > 1 << 20 || (!run.IsPresent && random.Next(20) > 0))
        {
            return new(run, null, 0);
        }

        uint pagesPerBlock = (uint)(1 << random.Next(11));
        uint[] sizes = new uint[(run.Pages / pagesPerBlock) + (random.Next(20) == 0 ? 0u : run.Pages % pagesPerBlock > 0 ? 1u : 0)];
        for (int i = 0; i < sizes.Length; i++)
        {
            sizes[i] = random.Next(3) == 0 ? 0 : (uint)random.Next((int)Math.Min(pagesPerBlock * 4096, 9000));
        }

        return new(run, sizes, pagesPerBlock);
    }

    /// <summary>Reads, searches and compares memory, and ignores the results.</summary>
    private static void Everywhere(CracImage image, CracImage sound, Random random)
    {
        CracException? first = null;
        CracImageProcess[] processes = [.. image.Processes.Where(p => p.MemoryAreas.Count > 0)];
        CracImageProcess process = processes[random.Next(processes.Length)];
        CracImageMemoryArea area = process.MemoryAreas[random.Next(process.MemoryAreas.Count)];
        foreach (Action action in (Action[])
        [
            () => ImageTraversal.Run(image),
            () => process.ReadMemory(area.Start, 1 << 20),
            () => _ = new MemorySearch(image, MemoryPattern.FromString("SECRET"), context: 4096).Run().Take(20).Sum(m => m.Context.Length),
            () => _ = ImageComparison.Compare(image, sound, withPages: random.Next(8) == 0).Count(),
            () => _ = ImageComparison.Compare(sound, image, withPages: random.Next(8) == 0).Count(),
        ])
        {
            try
            {
                action();
            }
            catch (CracException e) when (e.Reason is CracReason.MemoryNotInImage)
            {
                // It names the process and the address: there is no file to name.
            }
            catch (CracException e)
            {
                first ??= e;
            }
        }

        if (first is not null)
        {
            throw first;
        }
    }

    [CriuFact("tar")]
    public void Damaged_archives_give_objects_or_an_exception_with_file_and_offset()
    {
        int seed = Setting("CRAC_FUZZ_SEED", Environment.TickCount);
        Console.WriteLine($"fuzz of archives: seed {seed}");
        var random = new Random(seed);
        using DumpedProcess dumped = DumpedProcess.OfScript(": > $READY; sleep 1000");
        string archive = Path.Combine(dumped.Path, "..", "archive.tar");
        foreach (string compress in (string[])(CriuProgram.Find("zstd") is null ? ["", "-z"] : ["", "-z", "--zstd"]))
        {
            CriuProgram.RunProgram("tar", ["-C", dumped.Path, "-cf", archive, .. compress.Length > 0 ? [compress] : Array.Empty<string>(), "."]);
            byte[] sound = File.ReadAllBytes(archive);
            for (int i = 0; i < 250; i++)
            {
                File.WriteAllBytes(archive, Mutation.Damage(sound, random));
                Expect($"seed {seed}, archive {compress} case {i}", sound.Length, () =>
                {
                    CracImage image = CracImage.Open(archive);
                    foreach (CracImageEntry entry in new ImageContentReader(image).Read())
                    {
                        _ = entry.GetRawBytes();
                    }

                    ImageTraversal.Run(image);
                });
            }
        }
    }

    private static int Setting(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), out int value) ? value : otherwise;

    private static Dictionary<string, byte[]> Load(CracImage image)
    {
        var files = Directory.GetFiles(image.Path).Where(f => !f.EndsWith(".log", StringComparison.Ordinal))
            .ToDictionary(f => Path.GetFileName(f), File.ReadAllBytes);
        using var manifest = new MemoryStream();
        ImageManifestTests.Sample().Write(manifest);
        files[ImageManifest.FileName] = manifest.ToArray();
        return files;
    }

    private static bool Try(MemoryImageSource source, string file, string what, bool typed) =>
        Expect(what, source.Files.Sum(f => f.Length), () =>
        {
            CracImage image = CracImage.Open(source);
            if (typed)
            {
                ImageTraversal.Run(image);
            }
            else if (ImageType.IsImageFile(file))
            {
                foreach (CracImageEntry entry in new ImageContentReader(image).ReadFile(file))
                {
                    _ = entry.GetRawBytes();
                }
            }
        });

    /// <summary>Runs a case. Returns whether it threw an allowed exception.</summary>
    private static bool Expect(string what, long imageLength, Action run)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        var clock = Stopwatch.StartNew();
        bool thrown = false;
        try
        {
            run();
        }
        catch (CracException e)
        {
            thrown = true;
            Assert.True(e.ImagePath is not null, $"{what}: names no image: {e.Message}");
            Assert.True(e.FileName is not null || e.Reason is CracReason.NotAnImage, $"{what}: names no file: {e.Message}");
            Assert.True(e.FileOffset is not null || e.Reason is not CracReason.ImageCorrupt, $"{what}: names no offset: {e.Message}");
        }
        catch (Exception e)
        {
            Assert.Fail($"{what}: {e}");
        }

        Assert.True(clock.Elapsed < s_timeLimit, $"{what}: took {clock.Elapsed}");
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < (64 << 20) + (40 * imageLength), $"{what}: allocated {allocated} bytes");
        return thrown;
    }
}
