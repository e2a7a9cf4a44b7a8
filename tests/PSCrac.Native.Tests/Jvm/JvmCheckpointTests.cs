using PSCrac.Checkpointing;
using PSCrac.Interop;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

public class JvmCheckpointTests
{
    [CriuFact("python3")]
    public void The_stand_in_is_detected()
    {
        using FakeJvm fake = FakeJvm.Start();
        JvmProcess jvm = fake.Jvm;

        Assert.Equal((fake.Target, fake.Home, "17.0.99", CracSupport.Criu), (jvm.CheckpointTo, jvm.Runtime!.Home, jvm.Runtime.Version, jvm.Support));
        Assert.True(jvm.IsCoordinated);
        Assert.NotNull(JvmCheckpoint.Select(CracEngineChoice.Auto, fake.ProcessId));
        Assert.Null(JvmCheckpoint.Select(CracEngineChoice.Criu, fake.ProcessId));
    }

    [CriuFact("python3")]
    public void A_JVM_with_its_options_in_a_file_is_asked()
    {
        using FakeJvm fake = FakeJvm.Start(options: ["@options", "Main"]);

        Assert.Null(JvmCheckpoint.Select(CracEngineChoice.Auto, fake.ProcessId));
        Assert.True(File.Exists($"/tmp/.java_pid{fake.ProcessId}"));
    }

    [CriuTheory]
    [InlineData("", CracEngineChoice.Jvm)]
    [InlineData("", CracEngineChoice.Criu)]
    [InlineData("library-engine", CracEngineChoice.Jvm)]
    [InlineData("library-engine", CracEngineChoice.Criu)]
    public void A_JVM_checkpoints_itself_and_goes_on_from_where_the_image_was_moved_to(string modes, CracEngineChoice engine)
    {
        using FakeJvm fake = FakeJvm.Start(modes);

        CheckpointResult result = fake.Checkpoint();

        Assert.True(Subject.HasEnded(fake.ProcessId));
        Assert.Empty(result.LingeringProcessIds);
        Assert.Equal(fake.ImagePath, result.Image.Path);
        Assert.Equal(CracEngine.Jvm, result.Image.Engine);
        Assert.Equal(fake.ProcessId, result.Image.RootProcessId);
        Assert.Contains("-XX:CRaCCheckpointTo=", result.Image.Command);
        Assert.True(result.Image.IsRestorable(out string? missing), missing);
        Assert.NotNull(result.Image.CriuVersion);
        Assert.Equal(["image", "jdk"], fake.Folder.Names());
        int last = fake.LastNumber();

        using CracRestoredProcess restored = fake.Restore(Request(result.Image, engine));

        Assert.Equal(fake.ProcessId, restored.Id);
        fake.WaitPast(last + 3);
        Assert.Contains($"restored {engine == CracEngineChoice.Jvm}", fake.Lines());
    }

    [CriuFact("python3")]
    public void An_image_stays_where_the_JVM_writes_it_when_that_is_asked_for()
    {
        using FakeJvm fake = FakeJvm.Start();
        fake.Checkpoint(fake.Target);
        Assert.Equal(["cr", "jdk"], fake.Folder.Names());
        CracImage image = CracImage.Open(fake.Target);
        Assert.NotNull(image.Manifest);

        using (fake.Restore(Request(image, CracEngineChoice.Auto)))
        {
            fake.WaitPast(fake.LastNumber() + 3);
        }

        // A second checkpoint needs consent, and keeps the first image where it fails.
        Expect.Failure(CracReason.ImageExists, () => fake.Checkpoint(fake.Target));
        fake.Checkpoint(fake.Target, force: true);
        Assert.Equal(["cr", "jdk"], fake.Folder.Names());
    }

    [CriuFact("python3")]
    public void An_image_that_no_one_sealed_is_restored_and_woken()
    {
        using FakeJvm fake = FakeJvm.Start("library-engine");
        fake.Checkpoint(fake.Target);
        File.Delete(Path.Combine(fake.Target, "pscrac.json"));
        CracImage image = CracImage.Open(fake.Target);

        Assert.True(JvmImage.IsOf(image, CracEngineChoice.Auto));
        using CracRestoredProcess restored = fake.Restore(Request(image, CracEngineChoice.Criu));
        fake.WaitPast(fake.LastNumber() + 3);
    }

    [CriuFact("python3")]
    public void New_arguments_and_properties_arrive()
    {
        using FakeJvm fake = FakeJvm.Start();
        CracImage image = fake.Checkpoint().Image;
        RestoreRequest request = Request(image, CracEngineChoice.Auto) with
        {
            Jvm = new()
            {
                MainClass = "com.example.NewMain",
                Arguments = ["one", "two words"],
                Properties = new Dictionary<string, string> { ["port"] = "8081" },
            },
        };

        Expect.Failure(CracReason.OptionRefused, () => Restore.Run(request with { Engine = CracEngineChoice.Criu }));
        using CracRestoredProcess restored = fake.Restore(request);

        Wait.Until(() => fake.Lines().Contains("main com.example.NewMain|one|two words"), () => string.Join('|', fake.Lines().TakeLast(5)));
        Assert.Contains("property port=8081", fake.Lines());
    }

    [CriuTheory]
    [InlineData(CracEngineChoice.Jvm)]
    [InlineData(CracEngineChoice.Criu)]
    public void A_restored_child_gives_its_exit_code(CracEngineChoice engine)
    {
        using FakeJvm fake = FakeJvm.Start();
        CracImage image = fake.Checkpoint().Image;
        using CracRestoredProcess restored = fake.Restore(Request(image, engine) with { AsChild = true });
        fake.WaitPast(fake.LastNumber() + 2);

        // Not by a program: .NET would not see it end while a child that it knows by a pid of before waits to be reaped.
        Assert.Equal(Errno.None, LibC.Kill(restored.Id, LibC.SIGTERM));

        Assert.True(restored.WaitForExit(TimeSpan.FromSeconds(10)));
        Assert.Equal(143, restored.ExitCode);
    }

    [CriuTheory]
    [InlineData("refuses")]
    [InlineData("refuses-on-console")]
    public void A_refusal_becomes_findings(string modes)
    {
        using FakeJvm fake = FakeJvm.Start(modes);

        CracException failure = Expect.Failure(CracReason.JvmRefused, () => fake.Checkpoint());

        Assert.Equal(
            ["open file: /var/log/shop.log", "open socket: tcp6 localAddr :: localPort 8080 remoteAddr :: remotePort 0", "open resource: descriptor 61, anon_inode:[eventpoll]"],
            failure.Findings.Select(static finding => finding.What));
        Assert.Contains("main at com.example.shop.Audit.open(Audit.java:31)", failure.Findings[0].Why);
        Assert.Contains("collect-fd-stacktraces", failure.Findings[1].RecommendedAction);
        AssertGoesOn(fake);
    }

    [CriuFact("python3")]
    public void The_reason_of_the_JVMs_criu_is_told()
    {
        using FakeJvm fake = FakeJvm.Start("connected");

        CracException failure = Expect.Failure(CracReason.TcpConnectionOpen, () => fake.Checkpoint());

        Assert.True(File.Exists(failure.LogPath));
        AssertGoesOn(fake);
    }

    [CriuFact("python3")]
    public void A_JVM_that_does_nothing_is_given_up_on()
    {
        using FakeJvm fake = FakeJvm.Start("silent");

        Expect.Failure(CracReason.TimedOut, () => fake.Checkpoint(patience: TimeSpan.FromMilliseconds(300)));
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        Assert.ThrowsAny<OperationCanceledException>(() => fake.Checkpoint(cancellation: cancellation.Token));

        AssertGoesOn(fake);
    }

    [CriuFact("python3")]
    public void A_JVM_that_was_told_to_go_on_goes_on()
    {
        using FakeJvm fake = FakeJvm.Start(environment: new Dictionary<string, string> { ["CRAC_CRIU_LEAVE_RUNNING"] = "1" });
        int last = fake.LastNumber();

        CheckpointResult result = fake.Checkpoint();

        Assert.True(result.Image.Manifest!.LeaveRunning);
        fake.WaitPast(last + 3);
    }

    [CriuFact("python3")]
    public void What_a_JVM_cannot_be_told_is_refused_before_it_is_asked()
    {
        using FakeJvm fake = FakeJvm.Start();
        CheckpointRequest request = fake.Request(fake.ImagePath);

        Expect.Failure(CracReason.OptionRefused, () => Checkpoint.Run(request with { Options = new() { LeaveRunning = true } }));
        Expect.Failure(CracReason.OptionRefused, () => Checkpoint.Run(request with { Options = new() { TcpEstablished = true } }));
        Directory.CreateDirectory(fake.ImagePath);
        Expect.Failure(CracReason.ImageExists, () => Checkpoint.Run(request));
        Directory.Delete(fake.ImagePath);
        AssertGoesOn(fake);
    }

    [CriuFact("python3")]
    public void What_only_a_JVM_does_is_refused_for_another_program()
    {
        using Subject subject = Subject.Counting();
        CheckpointRequest request = new() { ProcessId = subject.ProcessId, ImagePath = subject.ImagePath };

        Expect.Failure(CracReason.JvmNotCapable, () => Checkpoint.Run(request with { Engine = CracEngineChoice.Jvm }));
        Expect.Failure(CracReason.JvmNotCapable, () => Checkpoint.Run(request with { CollectGarbage = true }));

        Assert.False(Path.Exists(subject.ImagePath));
        Assert.False(Subject.HasEnded(subject.ProcessId));
    }

    [CriuFact("python3")]
    public void A_JVM_without_CRaC_says_so()
    {
        using FakeJvm fake = FakeJvm.Start("no-crac", options: ["Main"]);

        Assert.Null(JvmCheckpoint.Select(CracEngineChoice.Auto, fake.ProcessId));
        Expect.Failure(CracReason.JvmNotCapable, () => fake.Checkpoint());
        Assert.Contains(fake.Jvm.Examine(), static finding => finding.Reason == CracReason.JvmNotCapable);
        AssertGoesOn(fake);
    }

    [CriuFact("python3")]
    public void A_taken_pid_is_told_before_java_is_started()
    {
        using FakeJvm fake = FakeJvm.Start(environment: new Dictionary<string, string> { ["CRAC_CRIU_LEAVE_RUNNING"] = "1" });
        CracImage image = fake.Checkpoint().Image;

        CracException failure = Expect.Failure(
            CracReason.PidInUse, () => Restore.Run(Request(image, CracEngineChoice.Jvm) with { PidTimeout = TimeSpan.FromMilliseconds(100) }));

        Assert.Equal(fake.ProcessId, failure.ProcessId);
    }

    [CriuFact("python3")]
    public void What_java_says_of_a_failed_restore_is_told()
    {
        using FakeJvm fake = FakeJvm.Start();
        CracImage image = fake.Checkpoint().Image;
        File.Delete(Path.Combine(image.Path, "core-" + fake.ProcessId + ".img"));

        CracException failure = Assert.Throws<CracException>(() => Restore.Run(Request(image, CracEngineChoice.Jvm)));

        Assert.NotEmpty(failure.CriuLines);
        Assert.True(Subject.HasEnded(fake.ProcessId));
    }

    [CriuFact("java", "javac")]
    public void A_plain_JVM_goes_on_after_criu_alone()
    {
        using JavaProgram java = JavaProgram.Start("-XX:-UsePerfData");
        Assert.Null(JvmCheckpoint.Select(CracEngineChoice.Auto, java.ProcessId));
        Expect.Failure(CracReason.JvmNotCapable, () => Checkpoint.Run(new() { ProcessId = java.ProcessId, ImagePath = "/nowhere", Engine = CracEngineChoice.Jvm }));
        using var folder = new TemporaryFolder();
        CracImage image = Checkpoint.Run(new() { ProcessId = java.ProcessId, ImagePath = folder.At("image"), NoSync = true }).Image;
        int Count() => File.ReadAllLines(java.Program.OutputPath).Length;
        int last = Count();
        Assert.False(JvmImage.IsOf(image, CracEngineChoice.Auto));
        Expect.Failure(CracReason.JvmNotCapable, () => Restore.Run(new() { Image = image, Engine = CracEngineChoice.Jvm }));

        using CracRestoredProcess restored = Restore.Run(new() { Image = image });
        java.Program.Remember();

        Wait.Until(() => Count() > last + 3, () => $"the JVM stays at {last}; {java.Program.ReadErrors()}");
        Assert.True(JvmAttachment.Open(JvmProcess.TryDetect(java.ProcessId)!).Jcmd("VM.version").IsSuccess);
    }

    [CriuFact("java", "javac")]
    public void The_counters_file_of_a_plain_JVM_is_warned_of()
    {
        using JavaProgram java = JavaProgram.Start();
        Assert.Contains(JvmProcess.TryDetect(java.ProcessId)!.Examine(), finding => finding.What.Contains($"hsperfdata_root/{java.ProcessId}"));
    }

    private static RestoreRequest Request(CracImage image, CracEngineChoice engine) => new() { Image = image, Engine = engine, CriuPath = CriuProgram.Path };

    private static void AssertGoesOn(FakeJvm fake)
    {
        Assert.Equal(["jdk"], fake.Folder.Names());
        fake.WaitPast(fake.LastNumber() + 2);
    }
}
