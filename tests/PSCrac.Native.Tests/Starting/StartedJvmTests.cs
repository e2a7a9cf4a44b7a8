using PSCrac.Jvm;
using PSCrac.Starting;
using PSCrac.Tests.Jvm;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Starting;

/// <summary>What a java gets on its command line when it is started, and which way its checkpoint then goes. The JVM is the stand-in.</summary>
public sealed class StartedJvmTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<CracStartedProcess> _started = [];

    private string OutputPath => _folder.At("out");

    private string ImagePath => _folder.At("image");

    /// <summary>Gives the tests an image root of their own.</summary>
    public StartedJvmTests() => Environment.SetEnvironmentVariable("PSCRAC_IMAGE_ROOT", _folder.At("root"));

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("PSCRAC_IMAGE_ROOT", null);
        foreach (CracStartedProcess process in _started)
        {
            process.End();
            File.Delete($"/tmp/.java_pid{process.Id}");
        }

        _folder.Dispose();
    }

    [PythonFact]
    public void One_that_knows_crac_is_told_where_to_checkpoint_to()
    {
        StartResult result = Start(Java(""));
        JvmProcess jvm = JvmProcess.TryDetect(result.Process.Id)!;
        Assert.Equal(_folder.At("root"), Path.GetDirectoryName(jvm.CheckpointTo));
        Assert.Contains(result.Decisions, static each => each.Contains("-XX:CRaCCheckpointTo", StringComparison.Ordinal));
        Assert.Contains("-XX:-UsePerfData", jvm.Arguments);
    }

    [PythonFact]
    public void The_callers_own_directory_wins()
    {
        StartResult result = Start(Java("", $"-XX:CRaCCheckpointTo={_folder.At("own")}", "Main"));
        JvmProcess jvm = JvmProcess.TryDetect(result.Process.Id)!;
        Assert.Equal(_folder.At("own"), jvm.CheckpointTo);
        Assert.Single(jvm.Arguments, static each => each.Contains("CRaCCheckpointTo", StringComparison.Ordinal));
    }

    [CriuTheory]
    [InlineData("", "17.0.9", "CRAC_CRIU_PATH")]
    [InlineData("library-engine", "27+5", "CRAC_CRIU_PATH")]
    [InlineData("library-engine", "28+5", "-XX:CRaCEngineOptions=criu_location=")]
    public void Its_engine_gets_the_criu_that_was_asked_for(string modes, string version, string by)
    {
        StartRequest request = Java(modes) with { ImagePath = ImagePath, Environment = new Dictionary<string, string?> { ["FAKE_JVM"] = modes } };
        File.WriteAllText(_folder.At("jdk/release"), $"JAVA_VERSION=\"{version}\"\n");

        StartResult result = Start(request);

        Assert.Contains(result.Decisions, each => each.StartsWith(by, StringComparison.Ordinal) && each.Contains(CriuProgram.Path!, StringComparison.Ordinal));
        Assert.Equal("jvm", result.Process.Image!.Manifest!.Engine);
    }

    [PythonFact]
    public void One_without_crac_is_not_told() => Assert.Null(JvmProcess.TryDetect(Start(Java("no-crac")).Process.Id)!.CheckpointTo);

    [PythonFact]
    public void One_that_is_left_to_criu_is_not_told() =>
        Assert.Null(JvmProcess.TryDetect(Start(Java("") with { Engine = CracEngineChoice.Criu }).Process.Id)!.CheckpointTo);

    [CriuTheory]
    [InlineData("")]
    [InlineData("library-engine")]
    public void It_checkpoints_itself_to_the_image_path(string modes)
    {
        CracStartedProcess process = Start(Java(modes) with { ImagePath = ImagePath }).Process;
        Assert.True(process.HasExited);
        Assert.Equal("jvm", process.Image!.Manifest!.Engine);

        // Nothing is left of the directory that the JVM wrote to.
        Assert.Equal(["err", "image", "jdk", "out"], _folder.Names());
    }

    [CriuTheory]
    [InlineData("")]
    [InlineData("library-engine")]
    public void The_same_line_starts_it_and_restores_it(string modes)
    {
        StartRequest request = Java(modes) with { ImagePath = ImagePath, OrRestore = true };
        StartResult first = Start(request);
        Assert.Empty(first.Warnings);
        Assert.False(first.Process.HasExited);
        Assert.Equal("jvm", first.Process.Image!.Manifest!.Engine);
        first.Process.End();

        // The engine that the JVM started may still be of its group, whose number is as taken as a pid: that is waited for.
        int lines = File.ReadAllLines(OutputPath).Length;

        StartResult second = Start(request);
        Assert.True(second.Warnings.Count == 0, string.Join('\n', second.Warnings));
        Assert.True(second.Process.IsRestored);
        Wait.Until(() => File.ReadAllLines(OutputPath).Length > lines + 3, () => "it writes nothing");
        second.Process.End();
        Assert.Equal(143, second.Process.ExitCode);
    }

    [CriuFact("python3")]
    public void One_that_checkpoints_itself_in_a_namespace_is_restored_into_one()
    {
        StartRequest request = Java("", $"-XX:CRaCCheckpointTo={_folder.At("own")}", "Main") with
        {
            ImagePath = ImagePath,
            OrRestore = true,
            PidNamespace = CracPidNamespace.New,
        };
        request = request with { Environment = new Dictionary<string, string?>(request.Environment) { ["CRAC_CRIU_LEAVE_RUNNING"] = "1" } };

        StartResult first = Start(request);
        Assert.True(first.Warnings.Count == 0, string.Join('\n', first.Warnings));
        Assert.Equal("jvm", first.Process.Image!.Manifest!.Engine);
        StartResult second = Start(request);

        Assert.True(second.Warnings.Count == 0, string.Join('\n', second.Warnings));
        Assert.True(second.Process.IsRestored);
        Assert.NotEqual(first.Process.Id, second.Process.Id);
        Assert.Equal(first.Process.ImageProcessId, second.Process.ImageProcessId);
        Assert.Equal(CracReason.OptionRefused, Assert.Throws<CracException>(() => Start(request with { Engine = CracEngineChoice.Jvm })).Reason);
    }

    [CriuFact("python3")]
    public void One_that_ends_with_its_namespace_is_restored_at_once()
    {
        StartRequest request = Java("", $"-XX:CRaCCheckpointTo={_folder.At("own")}", "Main") with { ImagePath = ImagePath, PidNamespace = CracPidNamespace.New };

        StartResult first = Start(request);
        StartResult second = Start(request with { OrRestore = true });

        Assert.True(first.Process.HasExited);
        Assert.True(second.Warnings.Count == 0, string.Join('\n', second.Warnings));
        Assert.True(second.Process.IsRestored);
        Assert.Equal(first.Process.ImageProcessId, second.Process.ImageProcessId);
    }

    [CriuFact("python3")]
    public void Its_refusal_is_the_error_and_ends_it()
    {
        CracException e = Assert.Throws<CracException>(() => Start(Java("refuses") with { ImagePath = ImagePath }));
        Assert.Equal(CracReason.JvmRefused, e.Reason);
        Assert.NotEmpty(e.Findings);
        Assert.False(Directory.Exists(ImagePath));
    }

    private StartRequest Java(string modes, params string[] arguments)
    {
        FakeJvm.LayOut(_folder.At("jdk"), modes.Contains("library-engine", StringComparison.Ordinal), modes.Contains("no-crac", StringComparison.Ordinal));
        return new StartRequest
        {
            FilePath = _folder.At("jdk/bin/java"),
            Arguments = arguments.Length > 0 ? arguments : ["Main"],
            Environment = new Dictionary<string, string?> { ["FAKE_JVM"] = modes, ["CRAC_CRIU_PATH"] = CriuProgram.Path },

            // A runtime that knows CRaC brings a criu along; the stand-in does not.
            CriuPath = CriuProgram.Path,
            WorkingDirectory = _folder.FullPath,
            StandardOutputPath = OutputPath,
            StandardErrorPath = _folder.At("err"),
            Ready = [new ReadyPattern("^2$", [OutputPath])],
            ReadyTimeout = Wait.Limit,
        };
    }

    private StartResult Start(StartRequest request)
    {
        StartResult result = StartOperation.Run(request);
        _started.Add(result.Process);
        return result;
    }
}
