using System.Diagnostics;
using PSCrac;
using PSCrac.Bench;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;

// Prints one table: what is measured, ours, the tool people use, both in this run, and the factor between the medians.
const int Rounds = 5;
string folder = Directory.CreateTempSubdirectory("pscrac-bench-").FullName;
string crit = Subject.Find("crit");
var rows = new List<(string What, TimeSpan First, TimeSpan Ours, TimeSpan? Theirs, string Target)>();
long searchMemory = 0;
try
{
    string tree = Subject.Dump(folder, "tree", "bash", "-c", "for i in $(seq 300); do sleep 1000 & done; : > $READY; wait");
    string small = Subject.Dump(folder, "small", "bash", "-c", ": > $READY; sleep 1000");
    string scattered = Subject.Dump(folder, "scattered", "python3", "-c", """
        import mmap, os, time
        m = mmap.mmap(-1, 200000 * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        m.madvise(mmap.MADV_NOHUGEPAGE)
        for i in range(0, 200000, 2): m[i * 4096] = 1
        open(os.environ['READY'], 'w').close()
        time.sleep(1000)
        """);
    string large = Subject.Dump(folder, "large", "python3", "-c", """
        import mmap, os, time
        m = mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for i in range(64): m[i << 24:(i + 1) << 24] = os.urandom(1 << 24)
        open(os.environ['READY'], 'w').close()
        time.sleep(1000)
        """);

    Measure(
        "ps, mems and fds of 301 processes", "10x",
        () => ListTree(tree),
        () => Critical("x", tree, "ps") + Critical("x", tree, "mems") + Critical("x", tree, "fds"));
    if (Subject.FindModule() is { } module)
    {
        // Each value is asked for, as crit prints it; nothing is shown, as crit's output is thrown away.
        string start = $"Import-Module '{module}'; $image = Get-CracImage '{tree}'; ";
        string[] collections = ["$image.Processes.Command.Count", "$image.MemoryAreas.Path.Count", "$image.Files.Path.Count"];
        Measure(
            "the same, with the start of one pwsh counted", "3x",
            () => Shell(start + string.Join("; ", collections)),
            () => Critical("x", tree, "ps") + Critical("x", tree, "mems") + Critical("x", tree, "fds"));
        Measure(
            "the same, with the start of a pwsh for each counted", "",
            () => Array.ForEach(collections, each => Shell(start + each)),
            () => Critical("x", tree, "ps") + Critical("x", tree, "mems") + Critical("x", tree, "fds"));
    }

    string pagemap = Directory.GetFiles(scattered, "pagemap-*.img").MaxBy(f => new FileInfo(f).Length)!;
    Measure("a pagemap of 100,000 entries", "30x", () => ReadFile(scattered, Path.GetFileName(pagemap)), () => Critical("show", pagemap));

    string pages = Directory.GetFiles(large, "pages-*.img").MaxBy(f => new FileInfo(f).Length)!;
    GC.Collect();
    File.WriteAllText("/proc/self/clear_refs", "5"); // the peak starts anew from what is resident now
    long before = Memory("VmRSS:");
    Measure(
        "a text that is not in 1 GB of memory", "1x",
        () => Search(large, "nobody ever wrote this"),
        () => Subject.Run("grep", "-aF", "nobody ever wrote this", pages).Time);
    searchMemory = Memory("VmHWM:") - before;

    for (int i = 0; i < 1000; i++)
    {
        string copy = Path.Combine(folder, "many", $"image-{i}");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(small))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }
    }

    Measure("1,000 images without a manifest, summary of each", "1 ms each", () => ListMany(folder), null);
    foreach (string copy in Directory.GetDirectories(Path.Combine(folder, "many")))
    {
        ImageManifest manifest = Manifest(copy);
        using FileStream file = File.Create(Path.Combine(copy, ImageManifest.FileName));
        manifest.Write(file);
    }

    Measure("listing and hashing a small image's files, to seal it", "5 ms", () => ImageManifest.Describe(small), null);
    Measure("1,000 images with a manifest, summary of each", "1 ms each", () => ListMany(folder), null);
}
finally
{
    Directory.Delete(folder, recursive: true);
}

Console.WriteLine($"{"",-52} {"first",10} {"ours",10} {"theirs",10} {"factor",8}  {"target",-10}");
foreach ((string what, TimeSpan first, TimeSpan ours, TimeSpan? theirs, string target) in rows)
{
    string factor = theirs is { } time ? $"{time / ours:0.0}x" : "";
    Console.WriteLine($"{what,-52} {Show(first),10} {Show(ours),10} {Show(theirs),10} {factor,8}  {target,-10}");
}

Console.WriteLine($"Peak memory of the search over the session's: {searchMemory >> 20} MB (target: under 100 MB). Medians of {Rounds}; first includes compiling the code.");

void Measure(string what, string target, Action ours, Func<TimeSpan>? theirs)
{
    var own = new List<TimeSpan>();
    var other = new List<TimeSpan>();
    for (int i = 0; i <= Rounds; i++)
    {
        var clock = Stopwatch.StartNew();
        ours();
        own.Add(clock.Elapsed);
        if (theirs is not null && i > 0)
        {
            other.Add(theirs());
        }
    }

    TimeSpan first = own[0];
    own.RemoveAt(0);
    rows.Add((what, first, Median(own), other.Count > 0 ? Median(other) : null, target));
}

TimeSpan Critical(params string[] arguments)
{
    (int code, TimeSpan time) = Subject.Run(crit, arguments);
    return code == 0 ? time : throw new InvalidOperationException($"crit {string.Join(' ', arguments)} failed");
}

static void Shell(string command)
{
    if (Subject.Run("pwsh", "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", command).Code != 0)
    {
        throw new InvalidOperationException($"pwsh failed: {command}");
    }
}

static TimeSpan Median(List<TimeSpan> times)
{
    times.Sort();
    return times[times.Count / 2];
}

static string Show(TimeSpan? time) => time is { } value ? $"{value.TotalMilliseconds:0.0} ms" : "";

static void ListTree(string path)
{
    CracImage image = CracImage.Open(path);
    long sum = 0;
    foreach (CracImageProcess process in image.Processes)
    {
        sum += process.ParentProcessId + process.SessionId + process.Command.Length;
    }

    foreach (CracImageMemoryArea area in image.MemoryAreas)
    {
        sum += area.Size + area.Path.Length + area.Protection.Length;
    }

    foreach (CracImageFile file in image.Files)
    {
        sum += file.Path.Length;
    }

    GC.KeepAlive(sum);
}

static void ReadFile(string path, string file)
{
    int count = 0;
    foreach (CracImageEntry entry in new ImageContentReader(CracImage.Open(path)).ReadFile(file))
    {
        count += entry.Count;
    }

    if (count < 300_000)
    {
        throw new InvalidOperationException($"the pagemap has only {count} values");
    }
}

static void Search(string path, string text)
{
    foreach (CracMemoryMatch match in new MemorySearch(CracImage.Open(path), MemoryPattern.FromString(text)).Run())
    {
        throw new InvalidOperationException($"found it: {match}");
    }
}

static void ListMany(string folder)
{
    long sum = 0;
    foreach (string path in Directory.EnumerateDirectories(Path.Combine(folder, "many")))
    {
        CracImage image = CracImage.Open(path);
        sum += image.RootProcessId + image.Command.Length + image.ProcessCount + image.Memory + image.Size + image.Created.Year + (int)image.Engine;
    }

    GC.KeepAlive(sum);
}

static ImageManifest Manifest(string path)
{
    CracImage image = CracImage.Open(path);
    return new ImageManifest
    {
        Created = image.Created,
        Host = new ImageManifestHost { Name = Environment.MachineName, CpuFeatures = [.. Enumerable.Range(0, 120).Select(n => $"feature{n}")] },
        Process = new ImageManifestProcess { RootPid = image.RootProcessId, Command = image.CommandLine, ProcessCount = image.ProcessCount, ThreadCount = image.ThreadCount },
        Files = ImageManifest.Describe(path),
    };
}

static long Memory(string kind)
{
    foreach (string line in File.ReadLines("/proc/self/status"))
    {
        if (line.StartsWith(kind, StringComparison.Ordinal))
        {
            return long.Parse(line[kind.Length..].Trim().Split(' ')[0]) << 10;
        }
    }

    return 0;
}
