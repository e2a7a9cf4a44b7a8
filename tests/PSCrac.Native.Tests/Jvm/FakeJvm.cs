using PSCrac.Checkpointing;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Tests.Support;

namespace PSCrac.Tests.Jvm;

/// <summary>
/// The stand-in for a CRaC JVM (crac_jvm.py), running from a folder laid out as a Java runtime. Everything goes with the
/// test, restored or not.
/// </summary>
internal sealed class FakeJvm : IDisposable
{
    // Starts a program, and reaps it when it is told to by a file.
    private const string SlowParent = """
        import os, subprocess, sys, time
        child = subprocess.Popen(sys.argv[1:])
        while not os.path.exists("reap"): time.sleep(0.005)
        child.wait()
        time.sleep(600)
        """;

    private readonly TemporaryFolder _folder = new();
    private readonly TestProgram _program;

    private FakeJvm(string modes, string? user, IReadOnlyDictionary<string, string>? environment, string[]? options, bool slowParent, string? criu = null)
    {
        Home = _folder.At("jdk");
        LayOut(Home, libraryEngine: modes.Contains("library-engine", StringComparison.Ordinal), none: modes.Contains("no-crac", StringComparison.Ordinal), unfamiliar: modes.Contains("unfamiliar", StringComparison.Ordinal));
        List<string> command = [$"FAKE_JVM={modes}", $"CRAC_CRIU_PATH={(criu is null ? CriuProgram.Path : _folder.At("jdk/lib/wrapped"))}"];
        if (criu is not null)
        {
            WriteProgram(_folder.At("jdk/lib/wrapped"), criu.Replace("{criu}", CriuProgram.Path, StringComparison.Ordinal));
        }

        command.AddRange((environment ?? new Dictionary<string, string>()).Select(static each => $"{each.Key}={each.Value}"));
        command.AddRange([Path.Combine(Home, "bin", "java"), .. options ?? [$"-XX:CRaCCheckpointTo={Target}", "Main"]]);
        if (user is not null)
        {
            // The interpreter may be where that user cannot look.
            command.InsertRange(0, ["setpriv", $"--reuid={user}", $"--regid={user}", "--clear-groups", "--inh-caps=+dac_override", "--ambient-caps=+dac_override", "env"]);
            _program = TestProgram.Start(command[0], command[1..]);
        }
        else
        {
            _program = slowParent ? TestProgram.Start("python3", ["-c", SlowParent, "env", .. command]) : TestProgram.Start("env", command);
        }

        ProcessId = _program.ProcessId;
        try
        {
            _program.WaitForLine("1");
            ProcessId = slowParent ? ProcessTree.Read(ProcessId).Members[1].ProcessId : ProcessId;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    internal string Home { get; }

    internal int ProcessId { get; }

    internal TestProgram Program => _program;

    /// <summary>Where the JVM checkpoints to.</summary>
    internal string Target => _folder.At("cr");

    /// <summary>Another place for images.</summary>
    internal string ImagePath => _folder.At("image");

    internal TemporaryFolder Folder => _folder;

    internal JvmProcess Jvm => JvmProcess.TryDetect(ProcessId) ?? throw new InvalidOperationException("the stand-in is not seen as a JVM");

    /// <summary>Starts one that was told where to checkpoint to. Its criu is a shell script where one is given; {criu} in it is the real one.</summary>
    internal static FakeJvm Start(string modes = "", string? user = null, IReadOnlyDictionary<string, string>? environment = null, string[]? options = null, string? criu = null) =>
        new(modes, user, environment, options, slowParent: false, criu);

    /// <summary>Starts one whose parent leaves it a zombie, when it has ended, until <see cref="Reap"/>.</summary>
    internal static FakeJvm StartUnreaped() => new("", null, null, null, slowParent: true);

    internal void Reap() => File.WriteAllText(Path.Combine(_program.Folder, "reap"), "");

    internal CheckpointResult Checkpoint(string? path = null, bool force = false, TimeSpan? patience = null, CancellationToken cancellation = default) =>
        PSCrac.Checkpointing.Checkpoint.Run(
            Request(path ?? ImagePath) with { Force = force, JvmTimeout = patience ?? TimeSpan.FromSeconds(60) }, null, cancellation);

    /// <summary>A checkpoint that the JVM takes of itself.</summary>
    internal CheckpointRequest Request(string path) => new() { ProcessId = ProcessId, ImagePath = path, Engine = CracEngineChoice.Jvm, NoSync = true };

    internal CracRestoredProcess Restore(RestoreRequest request)
    {
        CracRestoredProcess restored = PSCrac.Restoring.Restore.Run(request);
        _program.Remember();
        return restored;
    }

    internal string[] Lines() => File.ReadAllLines(_program.OutputPath);

    internal int LastNumber() => Lines().Select(static line => int.TryParse(line, out int number) ? number : 0).Max();

    /// <summary>Waits until the stand-in's counter has passed a number, and it has counted without a gap.</summary>
    internal void WaitPast(int number) =>
        Wait.Until(() => LastNumber() > number, () => $"the stand-in stays at {LastNumber()}: {string.Join('|', Lines().TakeLast(5))}; {_program.ReadErrors()}");

    public void Dispose()
    {
        _program.Dispose();
        File.Delete($"/tmp/.java_pid{ProcessId}");
        _folder.Dispose();
    }

    /// <summary>Makes the folder of a runtime whose java is the stand-in.</summary>
    internal static void LayOut(string home, bool libraryEngine, bool none, bool unfamiliar = false)
    {
        string script = Path.Combine(AppContext.BaseDirectory, "Jvm", "crac_jvm.py");
        foreach (string folder in (string[])["bin", "lib/server"])
        {
            Directory.CreateDirectory(Path.Combine(home, folder));
        }

        File.WriteAllBytes(Path.Combine(home, "lib", "server", "libjvm.so"), new byte[4096]);
        File.WriteAllText(Path.Combine(home, "release"), """
            IMPLEMENTOR="The tests"
            JAVA_VERSION="17.0.99"
            LIBC="gnu"
            """);
        WriteProgram(Path.Combine(home, "bin", "java"), $"exec {PythonProgram.Path} {script} java {home} \"$@\"");
        if (none)
        {
            return;
        }

        WriteProgram(Path.Combine(home, "lib", unfamiliar ? "elsewhere" : libraryEngine ? "criuhelper" : "criuengine"), $"exec {PythonProgram.Path} {script} engine {home} \"$@\"");
        if (libraryEngine)
        {
            File.WriteAllText(Path.Combine(home, "lib", "libcriuengine.so"), "");
        }
    }

    private static void WriteProgram(string path, string line)
    {
        File.WriteAllText(path, $"#!/bin/sh\n{line}\n");
        File.SetUnixFileMode(path, (UnixFileMode)0b111_101_101);
    }
}
