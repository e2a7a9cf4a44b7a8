using System.Globalization;
using PSCrac.Checkpointing;
using PSCrac.Options;
using PSCrac.Preflight;
using PSCrac.Procfs;
using PSCrac.Restoring;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>One shape, running.</summary>
internal sealed class ShapeRun : IDisposable
{
    // Leads the session, reaps the shape when it is checkpointed, and stays.
    private static readonly string[] s_leader = ["sh", "-c", "\"$@\" & wait; exec sleep 600", "sh"];

    private readonly ProcessShape _shape;
    private readonly TestProgram _program;
    private readonly TestProgram? _partner;
    private readonly int _processId;
    private readonly string _images = Directory.CreateTempSubdirectory("pscrac-images-").FullName;

    private ShapeRun(ProcessShape shape, TestProgram program, TestProgram? partner)
    {
        _shape = shape;
        _program = program;
        _partner = partner;
        _processId = shape.HasLeader ? ProcessTree.Read(program.ProcessId).Members[^1].Status.ProcessId : program.ProcessId;
    }

    internal static ShapeRun Start(ProcessShape shape)
    {
        List<string> command = [.. shape.HasLeader ? s_leader : [], .. shape.Wrapper, PythonProgram.Path!, "-c", ProcessShape.Prelude + shape.Program];
        var program = TestProgram.Start(command[0], command[1..], shape.OpenFolder);
        TestProgram? partner = null;
        try
        {
            if (shape.Partner is not null)
            {
                string prelude = ProcessShape.Prelude.Replace("\"ready\"", "\"partner-ready\"", StringComparison.Ordinal);
                partner = program.StartPartner(PythonProgram.Path!, ["-c", prelude + shape.Partner]);
            }

            WaitFor(program, partner, shape.Folder + "ready");
            program.Remember();
            return new ShapeRun(shape, program, partner);
        }
        catch
        {
            partner?.Dispose();
            program.Dispose();
            throw;
        }
    }

    internal ProcessPreflight Examine(PreflightOptions options) => ProcessPreflight.Examine(_processId, options);

    internal string Describe(ProcessPreflight preflight) =>
        string.Join('\n', preflight.Findings.Where(finding => finding.Severity < CracFindingSeverity.Warning)) + "\n" + _program.ReadErrors();

    /// <summary>Dumps with criu's command line, and returns its success and the errors in its log.</summary>
    internal (bool Done, string Errors) Dump(string name, IReadOnlyList<string> arguments)
    {
        string images = Directory.CreateDirectory(Path.Combine(_images, name)).FullName;
        string id = _processId.ToString(CultureInfo.InvariantCulture);
        (int exit, string error) = CriuProgram.Run(["dump", "-t", id, "-D", images, "-v4", "-o", "dump.log", .. arguments]);
        return (exit == 0, ErrorsOf(images, "dump.log", error));
    }

    internal string ProveUnharmed()
    {
        Ask();
        return "lives on unharmed";
    }

    /// <summary>Asserts that criu's own failure is explained where its options are left to the user and nothing is foretold.</summary>
    internal void ProveExplained()
    {
        CracException failure = Assert.Throws<CracException>(() => Checkpoint(null, chooseOptions: false));
        Assert.True(failure.Reason != CracReason.Unknown, $"{failure.Message}\n{string.Join('\n', failure.CriuLines)}");
        Assert.NotNull(failure.RecommendedAction);
        Assert.False(Path.Exists(EngineImage));
    }

    internal string ProveRestoreFails()
    {
        ProcessTree tree = ProcessTree.Read(_processId);
        (bool dumped, string errors) = Dump("image", []);
        Assert.True(dumped, errors);
        WaitUntilGone(tree);
        (bool restored, errors) = Restore("image", []);
        Assert.False(restored, "criu restored it after all");
        return "criu cannot restore its image";
    }

    /// <summary>Asserts that the engine's checkpoint refuses before it changes anything, with the text of the first blocker.</summary>
    /// <returns>The message to the user.</returns>
    internal string ProveRefused(CracFinding blocker)
    {
        CracException refusal = Assert.Throws<CracException>(() => Checkpoint(null));
        Assert.Equal(blocker.Reason, refusal.Reason);
        Assert.Contains(blocker.What, refusal.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Contains(blocker.Why, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(blocker.RecommendedAction, refusal.RecommendedAction);
        Assert.Equal(_processId, refusal.ProcessId);
        Assert.False(Path.Exists(EngineImage));
        return $"{refusal.Message}\n  Recommendation: {refusal.RecommendedAction}";
    }

    /// <summary>Checkpoints and restores with the engine, as the cmdlets do, with only the options that need consent.</summary>
    /// <returns>The result, and the options that the checkpoint used and the restore repeats.</returns>
    internal (string Result, string Options) ProveRestored(AutomaticOptions predicted)
    {
        CheckpointResult checkpoint = Checkpoint(_shape.Consent);
        Assert.Empty(checkpoint.LingeringProcessIds);
        Assert.Equal(predicted.Reasons.Select(reason => reason.CriuOption), checkpoint.Choices.Select(choice => choice.Option));
        using CracRestoredProcess restored = PSCrac.Restoring.Restore.Run(new RestoreRequest { Image = CracImage.Open(EngineImage), PidTimeout = Wait.Limit });
        Assert.Equal(_processId, restored.Id);
        Assert.True(!restored.Warnings.Any(static warning => warning.Contains("did not get back", StringComparison.Ordinal)), string.Join('\n', restored.Warnings) + File.ReadAllText("/proc/locks"));
        _program.Remember();
        if (_shape.IsStopped)
        {
            Wait.Until(() => ProcessStatus.TryRead(restored.Id) is { State: ProcessState.Stopped }, () => "it goes on");
            CriuProgram.Kill("-CONT", restored.Id.ToString(CultureInfo.InvariantCulture));
        }

        Ask();
        return ("its state is right", string.Join(' ', checkpoint.Image.Options.Select(Word)));

        static string Word(KeyValuePair<string, object> option) => option.Value is true ? $"--{option.Key}" : $"--{option.Key} {option.Value}";
    }

    public void Dispose()
    {
        _partner?.Dispose();
        _program.Dispose();
        Directory.Delete(_images, recursive: true);
    }

    private string EngineImage => Path.Combine(_images, "engine");

    private CheckpointResult Checkpoint(CheckpointOptions? options, bool chooseOptions = true) => PSCrac.Checkpointing.Checkpoint.Run(new CheckpointRequest
    {
        ProcessId = _processId,
        ImagePath = EngineImage,
        Options = options ?? new(),
        ChooseOptions = chooseOptions,
        NoSync = true,
        PidTimeout = Wait.Limit,
    });

    private (bool Done, string Errors) Restore(string name, IReadOnlyList<string> arguments)
    {
        string images = Path.Combine(_images, name);
        (int exit, string error) = CriuProgram.Run(["restore", "-d", "-D", images, "-v4", "-o", "restore.log", .. arguments]);
        return (exit == 0, ErrorsOf(images, "restore.log", error));
    }

    private void Ask()
    {
        File.WriteAllText(Path.Combine(_program.Folder, _shape.Folder, "go"), "");
        WaitFor(_program, _partner, _shape.Folder + "answer");
        string answer = File.ReadAllText(Path.Combine(_program.Folder, _shape.Folder, "answer"));
        Assert.True(answer == "good", answer);
    }

    private static void WaitFor(TestProgram program, TestProgram? partner, string file) => Wait.Until(
        () => File.Exists(Path.Combine(program.Folder, file)),
        () => $"no file {file}: {program.ReadErrors()}{partner?.ReadErrors()}");

    private static void WaitUntilGone(ProcessTree tree) => Wait.Until(
        () => tree.ThreadIds.All(id => !Directory.Exists($"/proc/{id}")),
        () => "the tree's pids are still taken");

    private static string ErrorsOf(string images, string log, string error)
    {
        string path = Path.Combine(images, log);
        IEnumerable<string> lines = File.Exists(path) ? File.ReadLines(path).Where(line => line.Contains("Error", StringComparison.Ordinal)) : [];
        return error + string.Join('\n', lines);
    }
}
