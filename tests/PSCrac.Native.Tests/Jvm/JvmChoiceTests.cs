using PSCrac.Checkpointing;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Jvm;

/// <summary>Which JVM is meant, which way its checkpoint goes, and what it is told beforehand.</summary>
public class JvmChoiceTests
{
    private static readonly Dictionary<string, string> s_keepsRunning = new() { ["CRAC_CRIU_LEAVE_RUNNING"] = "1" };

    [CriuTheory]
    [InlineData("", true)]
    [InlineData("library-engine", false)]
    public void A_JVM_that_runs_on_though_it_was_to_end_is_warned_of(string modes, bool byVariable)
    {
        using FakeJvm fake = byVariable
            ? FakeJvm.Start(modes, environment: s_keepsRunning)
            : FakeJvm.Start(modes, options: ["-XX:CRaCCheckpointTo=cr", "-XX:CRaCEngineOptions=keep_running=true", "Main"]);

        string warning = Assert.Single(fake.Checkpoint().Warnings);
        CheckpointResult asked = Checkpoint.Run(fake.Request(fake.Folder.At("asked")) with { Options = new() { LeaveRunning = true } });

        Assert.Contains($"The JVM {fake.ProcessId} runs after the checkpoint", warning);
        Assert.Empty(asked.Warnings);
        fake.WaitPast(fake.LastNumber() + 2);
    }

    [CriuTheory]
    [InlineData("")]
    [InlineData("library-engine")]
    public void Another_criu_is_refused_and_its_own_is_not(string modes)
    {
        using FakeJvm fake = FakeJvm.Start(modes);
        CheckpointRequest request = fake.Request(fake.ImagePath);

        CracException failure = Expect.Failure(CracReason.OptionRefused, () => Checkpoint.Run(request with { CriuPath = "/bin/true" }));
        Assert.Contains("-CriuPath", failure.Message);
        Assert.Contains("criu_location", failure.RecommendedAction);
        fake.WaitPast(fake.LastNumber() + 2);

        Assert.Equal(fake.ProcessId, Checkpoint.Run(request with { CriuPath = CriuProgram.Path }).Image.RootProcessId);
    }

    [CriuFact("python3")]
    public void The_engines_option_names_its_criu()
    {
        using FakeJvm fake = FakeJvm.Start("library-engine", options: ["-XX:CRaCCheckpointTo=cr", $"-XX:CRaCEngineOptions=criu_location={CriuProgram.Path},args=-v3", "Main"], criu: "exit 1");

        Assert.Equal(CriuProgram.Path, fake.Jvm.CriuPath);
        Assert.True(fake.Checkpoint().Image.IsRestorable(out string? missing), missing);
    }

    [CriuTheory]
    [InlineData("unfamiliar", true)]
    [InlineData("no-crac", false)]
    public void A_directory_that_was_given_is_asked_for_where_the_files_do_not_tell(string modes, bool isAsked)
    {
        using FakeJvm fake = FakeJvm.Start(modes);

        Assert.Equal(CracSupport.None, fake.Jvm.Support);
        Assert.Equal(isAsked, JvmCheckpoint.Select(CracEngineChoice.Auto, fake.ProcessId) is not null);
        if (isAsked)
        {
            CheckpointResult result = Checkpoint.Run(fake.Request(fake.ImagePath) with { Engine = CracEngineChoice.Auto });
            Assert.Equal(CracEngine.Jvm, result.Image.Engine);
        }
    }

    [CriuTheory]
    [InlineData("launcher")]
    [InlineData("launcher library-engine")]
    public void The_JVM_of_a_launcher_that_forks_is_its_child(string modes)
    {
        using FakeJvm fake = FakeJvm.Start(modes);
        int child = ProcessTree.Read(fake.ProcessId).Members[1].Status.ProcessId;
        Assert.Null(JvmProcess.TryDetect(fake.ProcessId));
        Assert.Equal(child, JvmProcess.Find(fake.ProcessId)!.ProcessId);

        CheckpointResult result = Checkpoint.Run(fake.Request(fake.ImagePath) with { Engine = CracEngineChoice.Auto });

        Assert.Equal((CracEngine.Jvm, child), (result.Image.Engine, result.Image.RootProcessId));
        using CracRestoredProcess restored = fake.Restore(new() { Image = result.Image, CriuPath = CriuProgram.Path });
        fake.WaitPast(fake.LastNumber() + 3);
        File.Delete($"/tmp/.java_pid{child}");
    }

    [PythonFact]
    public void A_shell_that_started_a_java_is_not_its_launcher()
    {
        using FakeJvm fake = FakeJvm.StartUnreaped();

        Assert.Null(JvmProcess.Find(fake.Program.ProcessId));
        Assert.Equal(fake.ProcessId, JvmProcess.Find(fake.ProcessId)!.ProcessId);
    }

    [CriuTheory]
    [InlineData("", "with CRaC, which checkpoints itself to", CracFindingSeverity.Note)]
    [InlineData("unfamiliar", "with CRaC, which checkpoints itself to", CracFindingSeverity.Note)]
    public void Test_CracProcess_tells_of_CRaC(string modes, string what, CracFindingSeverity severity)
    {
        using FakeJvm fake = FakeJvm.Start(modes);

        IReadOnlyList<CracFinding> findings = CheckpointExamination.Run(fake.ProcessId, new PreflightOptions(), out _);

        Assert.Contains(findings, finding => finding.Severity == severity && finding.What.Contains(what, StringComparison.Ordinal));
    }

    [CriuTheory]
    [InlineData("-XX:CRaCEngine=warp", "whose engine is warp", CracFindingSeverity.Warning)]
    [InlineData("-Dother=1", "that was not started for CRaC", CracFindingSeverity.Note)]
    public void It_tells_of_what_a_checkpoint_would_miss(string option, string what, CracFindingSeverity severity)
    {
        string[] target = option.Contains("warp", StringComparison.Ordinal) ? ["-XX:CRaCCheckpointTo=cr"] : [];
        using FakeJvm fake = FakeJvm.Start("library-engine", options: [.. target, option, "Main"]);

        IReadOnlyList<CracFinding> findings = CheckpointExamination.Run(fake.ProcessId, new PreflightOptions(), out _);

        Assert.Contains(findings, finding => finding.Severity == severity && finding.What.Contains(what, StringComparison.Ordinal));
    }

    [CriuTheory]
    [InlineData("", "cppath perfdata")]
    [InlineData("library-engine", "engine score tags")]
    public void What_the_JVM_adds_is_in_the_manifest_and_nobody_elses_to_read(string modes, string added)
    {
        using FakeJvm fake = FakeJvm.Start(modes);

        CracImage image = fake.Checkpoint().Image;

        string[] names = added.Split(' ');
        Assert.Equal(names, image.Manifest!.Files.Select(static file => file.Name).Where(names.Contains).Order(StringComparer.Ordinal));
        Assert.All(Directory.EnumerateFiles(image.Path), static path => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path)));
        using (fake.Restore(new() { Image = image, CriuPath = CriuProgram.Path }))
        {
            fake.WaitPast(fake.LastNumber() + 3);
        }

        Assert.True(CracImage.Open(image.Path).IsRestorable(out string? missing), missing);
    }

    [CriuTheory]
    [InlineData("engine", false)]
    [InlineData("tags", true)]
    public void Todays_java_wants_the_file_that_names_the_engine(string file, bool restores)
    {
        using FakeJvm fake = FakeJvm.Start("library-engine");
        CracImage image = fake.Checkpoint().Image;
        File.Delete(Path.Combine(image.Path, file));
        File.Delete(Path.Combine(image.Path, "pscrac.json"));
        RestoreRequest request = new() { Image = CracImage.Open(image.Path), Engine = CracEngineChoice.Jvm, CriuPath = CriuProgram.Path };

        if (!restores)
        {
            Assert.NotEmpty(Assert.Throws<CracException>(() => Restore.Run(request)).CriuLines);
            return;
        }

        using CracRestoredProcess restored = fake.Restore(request);
        fake.WaitPast(fake.LastNumber() + 3);
    }

    [CriuTheory]
    [InlineData("bin/java")]
    [InlineData("")]
    public void JavaPath_is_the_program_or_the_runtimes_folder(string path)
    {
        using FakeJvm fake = FakeJvm.Start("library-engine");
        CracImage image = fake.Checkpoint().Image;
        string java = Path.Combine(fake.Home, path);

        Assert.Equal(fake.Home, JavaRuntime.TryFind(java)!.Home);
        using CracRestoredProcess restored = fake.Restore(new() { Image = image, Jvm = new() { JavaPath = java }, CriuPath = CriuProgram.Path });
        fake.WaitPast(fake.LastNumber() + 3);
        Assert.Contains("restored True", fake.Lines());
    }

    [Theory]
    [InlineData("28.0.1+3", 28)]
    [InlineData("17.0.15+6", 17)]
    [InlineData("28-internal", 28)]
    [InlineData("1.8.0_402", 8)]
    [InlineData("strange", 0)]
    public void The_feature_version_is_read(string version, int number)
    {
        using var folder = new TemporaryFolder();
        FakeJvm.LayOut(folder.At("jdk"), libraryEngine: true, none: false);
        File.WriteAllText(folder.At("jdk/release"), $"JAVA_VERSION=\"{version}\"\n");

        Assert.Equal(number, JavaRuntime.TryOpen(folder.At("jdk"))!.FeatureVersion);
    }
}
