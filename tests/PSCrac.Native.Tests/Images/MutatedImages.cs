using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;

namespace PSCrac.Tests.Images;

/// <summary>
/// Mutates images and reads all of each: folders, and archives of their small files. Runs in a process of its own, whose memory
/// is limited. Each case ends in objects or in a <see cref="CracException"/> that names the image.
/// </summary>
internal sealed class MutatedImages
{
    // Larger files are the memory. They stay as they are, or get a hole.
    private const int MaximumMutatedSize = 256 << 10;
    private static readonly TimeSpan s_caseLimit = TimeSpan.FromSeconds(20);
    private readonly string _folder;
    private readonly Random _random;
    private readonly List<Seed> _seeds = [];
    private readonly SortedDictionary<string, int> _outcomes = new(StringComparer.Ordinal);

    private MutatedImages(string folder, int seed)
    {
        _folder = folder;
        _random = new Random(seed);
        foreach (string image in Directory.GetDirectories(folder).Order(StringComparer.Ordinal))
        {
            _seeds.Add(new Seed(image, Directory.GetFiles(image).Where(f => new FileInfo(f).Length <= MaximumMutatedSize && !f.EndsWith(".log", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal).ToDictionary(f => Path.GetFileName(f)!, File.ReadAllBytes)));
        }
    }

    /// <summary>Runs the cases, and writes what came of them. Returns the exit code.</summary>
    /// <param name="folder">A folder with a folder for each image to mutate. The images are as before afterwards.</param>
    /// <param name="seed">The seed of all random numbers.</param>
    /// <param name="cases">How many images; one of five is an archive.</param>
    internal static int Run(string folder, int seed, int cases)
    {
        var clock = Stopwatch.StartNew();
        var run = new MutatedImages(folder, seed);
        for (int i = 0; i < cases; i++)
        {
            Seed image = run._seeds[i % run._seeds.Count];
            string what = "";
            var own = Stopwatch.StartNew();
            try
            {
                what = i % 5 == 4 ? run.ReadMutatedArchive(image) : run.ReadMutatedFolder(image);
                run.Count("objects");
            }
            catch (CracException e) when (e.ImagePath is not null)
            {
                run.Count(e.Reason.ToString());
            }
            catch (Exception e)
            {
                Console.WriteLine($"case {i} of seed {seed}, {image.Path}, {what}: {e}");
                return 1;
            }

            if (own.Elapsed > s_caseLimit)
            {
                Console.WriteLine($"case {i} of seed {seed}, {image.Path}: took {own.Elapsed}");
                return 1;
            }
        }

        string peak = File.ReadLines("/proc/self/status").First(static line => line.StartsWith("VmHWM", StringComparison.Ordinal)).Split(':')[1].Replace("kB", "", StringComparison.Ordinal).Trim();
        Console.WriteLine($"outcomes {string.Join(", ", run._outcomes.Select(static each => $"{each.Key} {each.Value}"))}");
        Console.WriteLine($"done {cases} cases of {run._seeds.Count} images in {clock.Elapsed.TotalSeconds:0} s, peak {peak} kB");
        return 0;
    }

    /// <summary>Takes memory and keeps it, to find out whether the limit is one.</summary>
    internal static int Take(int megabytes)
    {
        var taken = new List<byte[]>();
        while (taken.Count < megabytes)
        {
            taken.Add(new byte[1 << 20]);
        }

        Console.WriteLine($"took {taken.Count} MiB");
        return 0;
    }

    private void Count(string outcome) => _outcomes[outcome] = _outcomes.GetValueOrDefault(outcome) + 1;

    /// <summary>Changes one file of a folder, reads the image, and puts the file back.</summary>
    private string ReadMutatedFolder(Seed image)
    {
        string name = image.Names[_random.Next(image.Names.Length)];
        string path = Path.Combine(image.Path, name);
        byte[] sound = image.Files[name];
        try
        {
            switch (_random.Next(16))
            {
                case 0:
                    File.Delete(path);
                    break;
                case 1:
                    // A hole of up to a terabyte.
                    using (FileStream file = File.OpenWrite(path))
                    {
                        file.SetLength(sound.Length + (1L << _random.Next(10, 41)));
                    }

                    break;
                case 2:
                    File.WriteAllBytes(path, image.Files[image.Names[_random.Next(image.Names.Length)]]);
                    break;
                case 3:
                    // The entries many times.
                    int head = Math.Min(8, sound.Length);
                    File.WriteAllBytes(path, [.. sound.AsSpan(0, head), .. Enumerable.Repeat(sound.AsSpan(head).ToArray(), _random.Next(2, 20)).SelectMany(static b => b)]);
                    break;
                default:
                    File.WriteAllBytes(path, Mutation.Damage(sound, _random));
                    break;
            }

            Read(image.Path, name);
            return name;
        }
        finally
        {
            File.Delete(path);
            File.WriteAllBytes(path, sound);
        }
    }

    /// <summary>Damages an archive, or what is compressed in it.</summary>
    private string ReadMutatedArchive(Seed image)
    {
        string path = Path.Combine(_folder, "mutated.tar");
        bool outside = _random.Next(3) == 0;
        byte[] bytes = (_random.Next(2), outside) switch
        {
            (0, _) => Mutation.Damage(image.Archive, _random),
            (_, true) => Mutation.Damage(image.Packed, _random),
            _ => Pack(Mutation.Damage(image.Archive, _random)),
        };
        File.WriteAllBytes(path, bytes);
        Read(path, null);
        return path;
    }

    private void Read(string path, string? file)
    {
        CracImage image = CracImage.Open(path);
        if (_random.Next(4) == 0)
        {
            ImageTraversal.Run(image);
        }
        else if (file is null || !file.EndsWith(".img", StringComparison.Ordinal))
        {
            _ = image.Command + image.Memory + image.Size + image.ThreadCount + image.CriuVersion + image.Statistics?.FrozenTime;
            _ = ImageCheck.Run(image).Count();
        }
        else
        {
            foreach (CracImageEntry entry in new ImageContentReader(image).ReadFile(file))
            {
                _ = entry.GetRawBytes();
            }
        }
    }

    private static byte[] Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest))
        {
            gzip.Write(bytes);
        }

        return packed.ToArray();
    }

    private sealed class Seed
    {
        internal Seed(string path, Dictionary<string, byte[]> files)
        {
            Path = path;
            Files = files;
            Names = [.. files.Keys];
            using var archive = new MemoryStream();
            using (var writer = new TarWriter(archive, leaveOpen: true))
            {
                foreach ((string name, byte[] bytes) in files)
                {
                    writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, $"checkpoint/{name}") { DataStream = new MemoryStream(bytes) });
                }

                writer.WriteEntry(new GnuTarEntry(TarEntryType.RegularFile, "config.dump") { DataStream = new MemoryStream(Encoding.UTF8.GetBytes("""{ "id": "1", "name": "n" }""")) });
            }

            Archive = archive.ToArray();
            Packed = Pack(Archive);
        }

        internal string Path { get; }

        internal Dictionary<string, byte[]> Files { get; }

        internal string[] Names { get; }

        internal byte[] Archive { get; }

        internal byte[] Packed { get; }
    }
}
