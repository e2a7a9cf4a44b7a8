using PSCrac.Checkpointing;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

/// <summary>What is asked of a JVM's restore beyond the restore: criu does it, java cannot be told of it.</summary>
public class JvmRestoreTests
{
    private static readonly Dictionary<string, string> s_goesOn = new() { ["CRAC_CRIU_LEAVE_RUNNING"] = "1" };

    /// <summary>Each wish by the name of its parameter.</summary>
    public static TheoryData<string> Wishes =>
    [
        "-PidNamespace New", "-LazyPages", "-StandardInputPath", "-StandardOutputPath", "-StandardErrorPath", "-ReplaceFile", "-ReopenGrownFile",
        "-ShellJob:$false", "-TcpEstablished", "-TcpClose", "-FileLocks", "-ExternalUnixSocket", "-CriuOption",
    ];

    [CriuTheory]
    [InlineData("", CracEngineChoice.Criu)]
    [InlineData("", CracEngineChoice.Auto)]
    [InlineData("library-engine", CracEngineChoice.Auto)]
    public void A_JVM_goes_on_in_a_pid_namespace_of_its_own(string modes, CracEngineChoice engine)
    {
        using FakeJvm fake = FakeJvm.Start(modes, environment: s_goesOn);
        CracImage image = fake.Checkpoint().Image;
        string output = fake.Folder.At("beside");

        using NewNamespace beside = NewNamespace.Of(Restore.Run(
            Request(image, engine) with { PidNamespace = CracPidNamespace.New, Files = new() { StandardOutputPath = output } }));

        Assert.NotEqual(fake.ProcessId, beside.Process.Id);
        Assert.Equal(fake.ProcessId, ProcessStatus.TryRead(beside.Process.Id)!.InnermostProcessId);
        WaitForLines(output, 3);
        Assert.Equal("restored False", File.ReadAllLines(output)[0]);

        // The one that the image was made of does not know of it.
        fake.WaitPast(fake.LastNumber() + 3);
    }

    [CriuFact("python3")]
    public void Auto_goes_beside_a_JVM_that_has_the_ids()
    {
        using FakeJvm fake = FakeJvm.Start(environment: s_goesOn);
        RestoreRequest request = Request(fake.Checkpoint().Image, CracEngineChoice.Auto) with { PidTimeout = TimeSpan.Zero };

        CracException taken = Expect.Failure(CracReason.PidInUse, () => Restore.Run(request));
        CracException byJava = Expect.Failure(
            CracReason.PidInUse, () => Restore.Run(request with { Engine = CracEngineChoice.Jvm, PidNamespace = CracPidNamespace.Auto }));
        using NewNamespace beside = NewNamespace.Of(Restore.Run(request with { PidNamespace = CracPidNamespace.Auto }));

        Assert.Contains("-PidNamespace Auto", taken.RecommendedAction);
        Assert.DoesNotContain("-PidNamespace", byJava.RecommendedAction);
        Assert.Equal(fake.ProcessId, beside.Process.ImageProcessId);
    }

    [CriuTheory]
    [InlineData("")]
    [InlineData("library-engine")]
    public void Its_streams_and_files_become_other_ones(string modes)
    {
        using FakeJvm fake = FakeJvm.Start(modes);
        CracImage image = fake.Checkpoint().Image;
        string input = fake.Folder.At("input"), output = fake.Folder.At("output"), library = fake.Folder.At("moved.so");
        File.WriteAllText(input, "");
        string mapped = Path.Combine(fake.Home, "lib", "server", "libjvm.so");
        File.Copy(mapped, library);
        RestoreFiles files = new()
        {
            StandardInputPath = input,
            StandardOutputPath = output,
            StandardErrorPath = output,
            Replace = new Dictionary<string, string> { [mapped] = library },
        };
        int last = fake.LastNumber();

        using CracRestoredProcess restored = fake.Restore(Request(image, CracEngineChoice.Auto) with { Files = files });

        WaitForLines(output, 3);
        Assert.Equal(last, fake.LastNumber());
        Assert.Equal([input, output, output], Enumerable.Range(0, 3).Select(number => new FileInfo($"/proc/{restored.Id}/fd/{number}").LinkTarget));
        string maps = File.ReadAllText($"/proc/{restored.Id}/maps");
        Assert.Contains(library, maps);
        Assert.DoesNotContain(mapped, maps);
    }

    [CriuFact("python3")]
    public void A_log_that_has_grown_is_written_on_at_its_end()
    {
        using FakeJvm fake = FakeJvm.Start();
        CracImage image = fake.Checkpoint().Image;
        File.AppendAllText(fake.Program.OutputPath, "someone else\n");

        using CracRestoredProcess restored = fake.Restore(Request(image, CracEngineChoice.Auto) with { Files = new() { ReopenGrown = true } });

        Wait.Until(() => fake.Lines() is [.., not "someone else"], () => "nothing comes after it");
        Assert.Equal("restored False", fake.Lines().SkipWhile(static line => line != "someone else").ElementAt(1));
    }

    [CriuFact("python3")]
    public void A_JVM_runs_before_its_memory_is_there()
    {
        using FakeJvm fake = FakeJvm.Start();
        CracImage image = fake.Checkpoint().Image;

        using CracRestoredProcess restored = fake.Restore(Request(image, CracEngineChoice.Auto) with { Options = new() { LazyPages = true } });

        Assert.NotNull(restored.LazyPages);
        fake.WaitPast(fake.LastNumber() + 3);
    }

    [CriuTheory]
    [MemberData(nameof(Wishes))]
    public void What_java_cannot_be_told_of_is_refused(string wish)
    {
        using FakeJvm fake = FakeJvm.Start();
        RestoreRequest request = Wish(Request(fake.Checkpoint().Image, CracEngineChoice.Jvm), wish);

        CracException refused = Expect.Failure(CracReason.OptionRefused, () => Restore.Run(request));
        CracException both = Expect.Failure(
            CracReason.OptionRefused, () => Restore.Run(request with { Engine = CracEngineChoice.Auto, Jvm = new() { MainClass = "Other", Arguments = ["one"] } }));

        Assert.Contains(wish, refused.Message);
        Assert.Contains("-Engine Criu", refused.RecommendedAction);
        Assert.Contains(wish, both.Message);
        Assert.Contains("-MainClass and -ArgumentList", both.RecommendedAction);
        Assert.True(Subject.HasEnded(fake.ProcessId));
    }

    [CriuFact("python3")]
    public void What_criu_cannot_be_told_of_is_refused()
    {
        using FakeJvm fake = FakeJvm.Start();
        RestoreRequest request = Request(fake.Checkpoint().Image, CracEngineChoice.Criu);

        CracException arguments = Expect.Failure(CracReason.OptionRefused, () => Restore.Run(request with { Jvm = new() { Arguments = ["one"] } }));
        CracException java = Expect.Failure(CracReason.OptionRefused, () => Restore.Run(request with { Jvm = new() { JavaPath = Path.Combine(fake.Home, "bin", "java") } }));

        Assert.Contains("-ArgumentList", arguments.RecommendedAction);
        Assert.Contains("-JavaPath", java.RecommendedAction);
        Assert.True(Subject.HasEnded(fake.ProcessId));
    }

    [CriuFact("python3")]
    public void What_java_is_told_is_refused_for_an_image_of_no_JVM()
    {
        using Subject subject = Subject.Counting();
        RestoreRequest request = new() { Image = subject.Checkpoint().Image, Jvm = new() { MainClass = "Other", Arguments = ["one"] } };

        CracException none = Expect.Failure(CracReason.OptionRefused, () => Restore.Run(request));
        CracException byCriu = Expect.Failure(CracReason.OptionRefused, () => Restore.Run(request with { Engine = CracEngineChoice.Criu }));

        Assert.Equal("-MainClass is for an image that a CRaC JVM took of itself, and this is none.", none.Message);
        Assert.Equal("-MainClass is what java does with its own images, and -Engine Criu leaves java out.", byCriu.Message);
        Assert.True(Subject.HasEnded(subject.ProcessId));
    }

    [CriuTheory]
    [InlineData(CracEngineChoice.Jvm)]
    [InlineData(CracEngineChoice.Criu)]
    public void A_JVM_that_is_not_reaped_is_told_of_and_waited_for(CracEngineChoice engine)
    {
        using FakeJvm fake = FakeJvm.StartUnreaped();
        CheckpointResult result = Checkpoint.Run(fake.Request(fake.ImagePath) with { PidTimeout = TimeSpan.FromMilliseconds(50) });
        RestoreRequest request = Request(result.Image, engine);

        Assert.Contains(fake.ProcessId, result.LingeringProcessIds);
        CracException failure = Expect.Failure(CracReason.PidInUse, () => Restore.Run(request with { PidTimeout = TimeSpan.FromMilliseconds(50) }));
        Assert.Contains($"not reaped by its parent {fake.Program.ProcessId}", failure.Message);

        using var reaped = new Timer(_ => fake.Reap(), null, TimeSpan.FromMilliseconds(400), Timeout.InfiniteTimeSpan);
        using CracRestoredProcess restored = fake.Restore(request with { AsChild = true });
        fake.WaitPast(fake.LastNumber() + 3);
    }

    [CriuTheory]
    [InlineData(CracEngineChoice.Jvm)]
    [InlineData(CracEngineChoice.Criu)]
    public void A_zombie_of_the_JVMs_group_is_waited_for(CracEngineChoice engine)
    {
        using FakeJvm fake = FakeJvm.Start();
        RestoreRequest request = Request(fake.Checkpoint().Image, engine);
        using GroupTaker taker = new(fake.ProcessId);
        Assert.True(Subject.HasEnded(fake.ProcessId));

        CracException failure = Expect.Failure(CracReason.PidInUse, () => Restore.Run(request with { PidTimeout = TimeSpan.FromMilliseconds(100) }));
        Assert.Contains($"the process group of 'member' ({taker.Member})", failure.Message);
        Assert.Contains($"{taker.Parent}", failure.Message);
        Assert.Contains(
            RestorePreflight.Examine(new RestoreRequest { Image = request.Image, CriuPath = CriuProgram.Path }).Findings,
            finding => finding.Reason == CracReason.PidInUse && finding.What.Contains($"the process group of member ({taker.Member})"));

        // It is reaped once somebody waits.
        using var reaped = new Timer(_ => taker.LetGo(), null, TimeSpan.FromMilliseconds(400), Timeout.InfiniteTimeSpan);
        using CracRestoredProcess restored = fake.Restore(request);
        fake.WaitPast(fake.LastNumber() + 3);
    }

    private static RestoreRequest Wish(RestoreRequest request, string wish) => wish switch
    {
        "-PidNamespace New" => request with { PidNamespace = CracPidNamespace.New },
        "-LazyPages" => request with { Options = new() { LazyPages = true } },
        "-StandardInputPath" => request with { Files = new() { StandardInputPath = "/dev/null" } },
        "-StandardOutputPath" => request with { Files = new() { StandardOutputPath = "/dev/null" } },
        "-StandardErrorPath" => request with { Files = new() { StandardErrorPath = "/dev/null" } },
        "-ReplaceFile" => request with { Files = new() { Replace = new Dictionary<string, string> { ["/a"] = "/b" } } },
        "-ReopenGrownFile" => request with { Files = new() { ReopenGrown = true } },
        "-ShellJob:$false" => request with { Options = new() { ShellJob = false } },
        "-TcpEstablished" => request with { Options = new() { TcpEstablished = true } },
        "-TcpClose" => request with { Options = new() { TcpClose = true } },
        "-FileLocks" => request with { Options = new() { FileLocks = true } },
        "-ExternalUnixSocket" => request with { Options = new() { ExternalUnixSocket = true } },
        "-CriuOption" => request with { Options = new() { CriuOption = new Dictionary<string, object?> { ["skip-mnt"] = "/x" } } },
        _ => throw new ArgumentOutOfRangeException(nameof(wish)),
    };

    private static void WaitForLines(string path, int count) =>
        Wait.Until(() => File.Exists(path) && File.ReadAllLines(path).Length >= count, () => $"{path}: {(File.Exists(path) ? File.ReadAllText(path) : "not there")}");

    private static RestoreRequest Request(CracImage image, CracEngineChoice engine) => new() { Image = image, Engine = engine, CriuPath = CriuProgram.Path };
}
