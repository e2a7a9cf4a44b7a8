using System.Globalization;
using PSCrac.Preflight;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Preflight;

/// <summary>One shape, running.</summary>
internal sealed class ShapeRun : IDisposable
{
    private readonly ProcessShape _shape;
    private readonly TestProgram _program;
    private readonly TestProgram? _partner;
    private readonly string _images = Directory.CreateTempSubdirectory("pscrac-images-").FullName;

    private ShapeRun(ProcessShape shape, TestProgram program, TestProgram? partner)
    {
        _shape = shape;
        _program = program;
        _partner = partner;
    }

    internal static ShapeRun Start(ProcessShape shape)
    {
        List<string> command = [.. shape.Wrapper, PythonProgram.Path!, "-c", ProcessShape.Prelude + shape.Program];
        var program = TestProgram.Start(command[0], command[1..], shape.InOurSession, shape.OpenFolder);
        TestProgram? partner = null;
        try
        {
            if (shape.Partner is not null)
            {
                string prelude = ProcessShape.Prelude.Replace("\"ready\"", "\"partner-ready\"", StringComparison.Ordinal);
                partner = program.StartPartner(PythonProgram.Path!, ["-c", prelude + shape.Partner]);
            }

            var run = new ShapeRun(shape, program, partner);
            run.WaitFor(shape.Folder + "ready");
            program.Remember();
            return run;
        }
        catch
        {
            partner?.Dispose();
            program.Dispose();
            throw;
        }
    }

    internal ProcessPreflight Examine(PreflightOptions options) => ProcessPreflight.Examine(_program.ProcessId, options);

    internal string Describe(ProcessPreflight preflight) =>
        string.Join('\n', preflight.Findings.Where(finding => finding.Severity < CracFindingSeverity.Warning)) + "\n" + _program.ReadErrors();

    /// <summary>criu's arguments for the options that were chosen.</summary>
    internal static List<string> ArgumentsOf(AutomaticOptions options)
    {
        var arguments = new List<string>();
        void Add(bool chosen, params string[] words)
        {
            if (chosen)
            {
                arguments.AddRange(words);
            }
        }

        Add(options.ShellJob, "--shell-job");
        Add(options.FileLocks, "--file-locks");
        Add(options.TcpEstablished, "--tcp-established");
        Add(options.LinkRemap, "--link-remap");
        Add(options.ExternalUnixSocket, "--ext-unix-sk");
        Add(options.Root is not null, "--root", options.Root ?? "");
        Add(options.GhostLimit is not null, "--ghost-limit", (options.GhostLimit ?? 0).ToString(CultureInfo.InvariantCulture));
        return arguments;
    }

    /// <summary>Dumps with criu's command line, and returns whether it did and the errors in its log.</summary>
    internal (bool Done, string Errors) Dump(string name, IReadOnlyList<string> arguments)
    {
        string images = Directory.CreateDirectory(Path.Combine(_images, name)).FullName;
        string id = _program.ProcessId.ToString(CultureInfo.InvariantCulture);
        (int exit, string error) = CriuProgram.Run(["dump", "-t", id, "-D", images, "-v4", "-o", "dump.log", .. arguments]);
        return (exit == 0, ErrorsOf(images, "dump.log", error));
    }

    internal string ProveUnharmed()
    {
        Ask();
        return "lives on unharmed";
    }

    internal string ProveRestoreFails()
    {
        ProcessTree tree = ProcessTree.Read(_program.ProcessId);
        (bool dumped, string errors) = Dump("image", ["--network-lock", "skip"]);
        Assert.True(dumped, errors);
        WaitUntilGone(tree);
        (bool restored, errors) = Restore("image", []);
        Assert.False(restored, "criu restored it after all");
        return "criu cannot restore its image";
    }

    internal string ProveRestored(List<string> arguments)
    {
        ProcessTree tree = ProcessTree.Read(_program.ProcessId);
        (bool dumped, string errors) = Dump("image", ["--network-lock", "skip", .. arguments]);
        Assert.True(dumped, errors);
        if (_shape.WhyNoRestore is { } reason)
        {
            return $"not tried: {reason}";
        }

        WaitUntilGone(tree);
        List<string> forRestore = [.. arguments];
        int ghost = forRestore.IndexOf("--ghost-limit");
        if (ghost >= 0)
        {
            forRestore.RemoveRange(ghost, 2);
        }

        (bool restored, errors) = Restore("image", ["--network-lock", "skip", .. forRestore]);
        for (int triesLeft = 2; !restored && triesLeft > 0 && errors.Contains("File exists", StringComparison.Ordinal); triesLeft--)
        {
            // From Linux 6.15 on a task is out of sight a moment before its pid is given back; see Restore.Run.
            WaitUntilGone(tree);
            (restored, errors) = Restore("image", ["--network-lock", "skip", .. forRestore]);
        }

        Assert.True(restored, errors);
        _program.Remember();
        Ask();
        return "its state is right";
    }

    public void Dispose()
    {
        _partner?.Dispose();
        _program.Dispose();
        Directory.Delete(_images, recursive: true);
    }

    private (bool Done, string Errors) Restore(string name, IReadOnlyList<string> arguments)
    {
        string images = Path.Combine(_images, name);
        (int exit, string error) = CriuProgram.Run(["restore", "-d", "-D", images, "-v4", "-o", "restore.log", .. arguments]);
        return (exit == 0, ErrorsOf(images, "restore.log", error));
    }

    private void Ask()
    {
        File.WriteAllText(Path.Combine(_program.Folder, _shape.Folder, "go"), "");
        WaitFor(_shape.Folder + "answer");
        Assert.Equal("good", File.ReadAllText(Path.Combine(_program.Folder, _shape.Folder, "answer")));
    }

    private void WaitFor(string file) => Wait.Until(
        () => File.Exists(Path.Combine(_program.Folder, file)),
        () => $"no file {file}: {_program.ReadErrors()}{_partner?.ReadErrors()}");

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
