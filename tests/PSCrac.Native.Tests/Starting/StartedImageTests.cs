using PSCrac.Criu;
using PSCrac.Starting;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting;

/// <summary>Programs that are checkpointed when they are ready, and restored the next time.</summary>
public sealed class StartedImageTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<CracStartedProcess> _started = [];

    private string ImagePath => _folder.At("image");

    private string OutputPath => _folder.At("out");

    public void Dispose()
    {
        _started.ForEach(static process => process.End());
        _folder.Dispose();
    }

    [CriuFact("python3")]
    public void IsWarmedUpAndCheckpointedAndKilled()
    {
        int warmed = 0;
        CracStartedProcess process = Start(Counter() with { WarmUp = started => warmed = started.Id }).Process;
        Assert.Equal(process.Id, warmed);
        Assert.True(process.HasExited);
        Assert.Equal(process.Id, process.Image!.RootProcessId);
        Assert.Equal(["image", "out"], _folder.Names());
    }

    [CriuFact("python3")]
    public void IsRestoredWhereTheImageIsThere()
    {
        StartRequest request = Counter() with { OrRestore = true };
        CracStartedProcess first = Start(request).Process;
        Assert.False(first.IsRestored);
        Assert.False(first.HasExited);
        first.End();
        int last = Last();

        StartResult second = Start(request);
        Assert.Empty(second.Warnings);
        Assert.True(second.Process.IsRestored);
        Assert.Equal(first.Id, second.Process.Id);

        // The image was made at the beginning: it begins again from there, in the file that has grown since.
        string[] before = File.ReadAllLines(OutputPath);
        Wait.Until(() => File.ReadAllLines(OutputPath).Length > before.Length + 2, () => "the restored program writes nothing");
        Assert.True(last > 0);
        second.Process.End();
        Assert.Equal(143, second.Process.ExitCode);
    }

    [CriuFact("python3")]
    public void IsStartedAnewWhereTheImageIsDamaged()
    {
        StartRequest request = Counter() with { OrRestore = true };
        CracStartedProcess first = Start(request).Process;
        first.End();
        File.Delete(Path.Combine(ImagePath, "pstree.img"));

        StartResult second = Start(request);
        Assert.Single(second.Warnings);
        Assert.False(second.Process.IsRestored);
        Assert.True(second.Process.Image!.IsRestorable(out _));
    }

    [CriuFact("python3")]
    public void RefusesAnImageThatIsThereBeforeItStartsAnything()
    {
        Directory.CreateDirectory(ImagePath);
        File.WriteAllText(Path.Combine(ImagePath, "inventory.img"), "");
        CracException e = Assert.Throws<CracException>(() => Start(Counter()));
        Assert.Equal(CracReason.ImageExists, e.Reason);
        Assert.False(File.Exists(OutputPath));
    }

    [CriuFact("python3")]
    public void EndsTheProgramWhenTheWarmUpFails()
    {
        CracStartedProcess? seen = null;
        StartRequest request = Counter() with
        {
            WarmUp = started =>
            {
                seen = started;
                throw new InvalidOperationException("no");
            },
        };
        Assert.Throws<InvalidOperationException>(() => Start(request));
        Assert.True(seen!.HasExited);
        Assert.Equal(["out"], _folder.Names());
    }

    [CriuFact("python3")]
    public void SaysWhyThereIsNothingToCheckpointWhenItEndsDuringTheWarmUp()
    {
        CracException e = Assert.Throws<CracException>(() => Start(Counter() with
        {
            WarmUp = static started => CriuProgram.Kill("-KILL", $"{started.Id}"),
        }));
        Assert.Equal((CracReason.ProgramEnded, 137), (e.Reason, e.ExitCode));
        Assert.Contains("before its checkpoint", e.Message);
        Assert.NotEmpty(e.OutputLines);
        Assert.All(e.OutputLines, static line => Assert.True(int.TryParse(line, out _), line));
        Assert.Equal(["out"], _folder.Names());
    }

    [CriuFact("python3")]
    public void IsMeasuredBothWays()
    {
        int port = FreePort.Next();
        var request = new StartRequest
        {
            FilePath = "python3",
            Arguments = ["-m", "http.server", "--bind", "127.0.0.1", $"{port}"],
            Ready = [new ReadyUri(new Uri($"http://127.0.0.1:{port}/"))],
            WorkingDirectory = _folder.FullPath,
        };
        var seen = new List<CracStartedProcess>();
        CracStartupMeasurement measurement = MeasureOperation.Run(request, count: 2, started: seen.Add);
        Assert.Equal(4, measurement.Samples.Count);
        Assert.All(measurement.Samples, static sample => Assert.True(sample.Memory > 0 && sample.ReadyTime > TimeSpan.Zero));
        Assert.All(seen, static process => Assert.True(process.HasExited));
    }

    [CriuFact]
    public void FeatureCacheIsMadeByCriuAndOfThisBoot()
    {
        bool hadOne = CriuFeatureCache.IsAvailable(out _);
        if (!CriuFeatureCache.Create())
        {
            return; // criu keeps it by itself here.
        }

        try
        {
            Assert.True(CriuFeatureCache.IsAvailable(out string detail), detail);
            string target = new FileInfo("/run/criu.kdat").LinkTarget!;
            Assert.EndsWith(File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim(), target, StringComparison.Ordinal);

            // criu itself says whether it has used it.
            string log = _folder.At("check.log");
            CriuProgram.Run("check", "-v4", "-o", log);
            Assert.Contains("Loaded kdat cache", File.ReadAllText(log), StringComparison.Ordinal);

            // A link of another boot leads nowhere, and goes before criu is started again.
            File.Move(target, target + "x");
            CriuFeatureCache.RemoveIfStale();
            Assert.Null(new FileInfo("/run/criu.kdat").LinkTarget);
            File.Delete(target + "x");
        }
        finally
        {
            if (new FileInfo("/run/criu.kdat").LinkTarget is { } left)
            {
                File.Delete(left);
                File.Delete("/run/criu.kdat");
            }

            if (hadOne)
            {
                CriuFeatureCache.Create();
            }
        }
    }

    private StartRequest Counter() => new()
    {
        FilePath = "python3",
        Arguments = ["-c", "import itertools, time\nfor n in itertools.count(1):\n    print(n, flush=True)\n    time.sleep(0.02)"],
        StandardOutputPath = OutputPath,
        Ready = [new ReadyPattern("^3$", [OutputPath])],
        ReadyTimeout = Wait.Limit,
        ImagePath = ImagePath,
    };

    private int Last() => int.Parse(File.ReadAllLines(OutputPath)[^1]);

    private StartResult Start(StartRequest request)
    {
        StartResult result = StartOperation.Run(request);
        _started.Add(result.Process);
        return result;
    }
}
