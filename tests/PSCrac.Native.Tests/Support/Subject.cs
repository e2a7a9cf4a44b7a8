using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Restoring;
using Xunit;

namespace PSCrac.Tests.Support;

/// <summary>A program to checkpoint, with a folder for its images; both go with the test, restored or not.</summary>
internal sealed class Subject : IDisposable
{
    private readonly TestProgram _program;
    private readonly TemporaryFolder _folder = new();

    private Subject(TestProgram program) => _program = program;

    internal int ProcessId => _program.ProcessId;

    internal TestProgram Program => _program;

    internal TemporaryFolder Folder => _folder;

    /// <summary>Where the image goes.</summary>
    internal string ImagePath => _folder.At("image");

    /// <summary>A program that prints 1, 2, 3, a line each.</summary>
    internal static Subject Counting() => Python(Counter);

    /// <summary>A python program that prints 1, 2, 3, a line each.</summary>
    internal const string Counter = """
        import itertools, time
        for n in itertools.count(1):
            print(n, flush=True)
            time.sleep(0.02)
        """;

    /// <summary>A python program; it is ready when it has printed a line that starts with "ready" or "1".</summary>
    internal static Subject Python(string script, string ready = "1") => Of(["python3", "-c", script], ready);

    /// <summary>A program that watches a folder, and with it each folder that appears below, and prints the name of what appears.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="first">What it does before that, in python.</param>
    internal static Subject Watching(string folder, string first = "") => Of(["python3", "-c", first + Watcher, folder]);

    private const string Watcher = """

        import ctypes, os, struct, sys
        libc = ctypes.CDLL(None)
        notify, paths = libc.inotify_init1(0), {}
        def watch(path):
            paths[libc.inotify_add_watch(notify, path.encode(), 0x100)] = path
            for each in os.scandir(path):
                if each.is_dir():
                    watch(each.path)
        watch(sys.argv[1])
        print("ready", flush=True)
        while True:
            data = os.read(notify, 65536)
            while data:
                number, mask, _, length = struct.unpack("iIII", data[:16])
                name, data = data[16:16 + length].rstrip(b"\0").decode(), data[16 + length:]
                path = os.path.join(paths.get(number, "?"), name)
                if mask & 0x40000000 and os.path.isdir(path):
                    watch(path)
                print(name, flush=True)
        """;

    /// <summary>Any program, which is ready when it has printed a line that starts so.</summary>
    internal static Subject Of(string[] command, string ready = "ready", params (string Name, string Value)[] variables)
    {
        string[] set = [.. variables.Select(static each => $"{each.Name}={each.Value}")];
        string[] whole = set.Length == 0 ? command : ["env", .. set, .. command];
        var subject = new Subject(TestProgram.Start(whole[0], whole[1..]));
        try
        {
            subject._program.WaitForLine(ready);
            return subject;
        }
        catch
        {
            subject.Dispose();
            throw;
        }
    }

    internal CheckpointResult Checkpoint(
        CheckpointOptions? options = null,
        bool force = false,
        IProgress<CracProgress>? progress = null,
        bool chooseOptions = true,
        CancellationToken cancellation = default) =>
        CheckpointBy(
            new CheckpointRequest
            {
                ProcessId = ProcessId,
                ImagePath = ImagePath,
                Options = options ?? new(),
                Force = force,
                NoSync = true,
                ChooseOptions = chooseOptions,
            },
            progress,
            cancellation);

    /// <summary>Checkpoints another process than the program's root, one of its children.</summary>
    internal CheckpointResult CheckpointOther(int processId, CheckpointOptions options) => CheckpointBy(
        new CheckpointRequest { ProcessId = processId, ImagePath = ImagePath, Options = options, NoSync = true, ChooseOptions = false });

    /// <summary>Restores the image; Dispose then ends what was restored.</summary>
    internal CracRestoredProcess Restore(
        RestoreOptions? options = null,
        bool asChild = false,
        TimeSpan? pidTimeout = null,
        bool skipPreflight = false,
        IProgress<CracProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        var request = new RestoreRequest
        {
            Image = CracImage.Open(ImagePath, cancellation),
            Options = options ?? new(),
            AsChild = asChild,
            PidTimeout = pidTimeout ?? Wait.Limit,
            SkipPreflight = skipPreflight,
        };
        CracRestoredProcess restored = WithContext(
            CracOperation.Restore, () => PSCrac.Restoring.Restore.Run(request, progress, cancellation));
        _program.Remember();
        return restored;
    }

    private static CheckpointResult CheckpointBy(CheckpointRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default) =>
        WithContext(CracOperation.Checkpoint, () => PSCrac.Checkpointing.Checkpoint.Run(request, progress, cancellation));

    // Whatever goes wrong in an operation tells what it was about.
    private static T WithContext<T>(CracOperation operation, Func<T> run)
    {
        try
        {
            return run();
        }
        catch (CracException e)
        {
            Assert.Equal(operation, e.Operation);
            Assert.NotNull(e.ProcessId);
            Assert.NotNull(e.ImagePath);
            throw;
        }
    }

    /// <summary>The last whole line of the program's output.</summary>
    internal string LastLine()
    {
        string text = File.ReadAllText(_program.OutputPath);
        string[] lines = text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return lines.Length == 0 ? "" : lines[^1];
    }

    /// <summary>Waits until a counter has passed a number, and asserts that it has left none out and repeated none.</summary>
    internal void AssertCountsPast(int number)
    {
        Wait.Until(() => int.TryParse(LastLine(), out int last) && last > number, () => $"the counter stays at {LastLine()}; {_program.ReadErrors()}");
        string text = File.ReadAllText(_program.OutputPath);
        int[] counted = [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
        Assert.Equal(Enumerable.Range(1, counted.Length), counted);
    }

    /// <summary>The last number that a counter printed; a shell above it may have printed more.</summary>
    internal int Count => File.ReadLines(_program.OutputPath).Where(static line => int.TryParse(line, out _)).Select(int.Parse).Last();

    /// <summary>Asserts that a failed checkpoint left nothing: no image, no staging directory, a program that goes on.</summary>
    internal void AssertUnharmed(params string[] alsoThere)
    {
        Assert.Equal(alsoThere.Order(StringComparer.Ordinal), _folder.Names());
        Assert.False(HasEnded(ProcessId));
        Assert.NotEqual(ProcessState.Stopped, ProcessStatus.TryRead(ProcessId)!.State);
    }

    /// <summary>The program's mappings, which criu must leave as it found them.</summary>
    internal string Maps() => File.ReadAllText($"/proc/{ProcessId}/maps");

    /// <summary>A script for criu that writes its pid to <paramref name="marker"/> at one of its stages, and then hangs.</summary>
    internal string HangingScript(string stage, out string marker, string hang = "exec sleep 600")
    {
        marker = Path.Combine(_program.Folder, "marker");
        string script = Path.Combine(_program.Folder, "script");
        File.WriteAllText(script, $"""
            #!/bin/sh
            [ "$CRTOOLS_SCRIPT_ACTION" = {stage} ] || exit 0
            echo $$ >{marker}.new && mv {marker}.new {marker}
            {hang}
            """);
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return script;
    }

    internal int CountLinesThatStart(string text) => File.ReadLines(_program.OutputPath).Count(line => line.StartsWith(text, StringComparison.Ordinal));

    internal int CountLines(string text) => File.ReadLines(_program.OutputPath).Count(line => line == text);

    /// <summary>Sends a signal by its short name.</summary>
    internal void Signal(string name) => Assert.Equal(0, CriuProgram.Kill("-" + name, $"{ProcessId}").ExitCode);

    /// <summary>Kills the program's root and waits until its pid is free.</summary>
    internal void End()
    {
        Signal("KILL");
        Wait.Until(() => ProcessStatus.TryRead(ProcessId) is null, () => $"{ProcessId} was not reaped");
    }

    /// <summary>Dumps the program with plain criu, without PSCrac, which kills it.</summary>
    internal void DumpWithCriu(params string[] options)
    {
        Directory.CreateDirectory(ImagePath);
        (int code, string error) = CriuProgram.Run(["dump", "-t", $"{ProcessId}", "-D", ImagePath, "-o", "dump.log", "-v4", .. options]);
        Assert.True(code == 0, error);
        Wait.Until(() => ProcessStatus.TryRead(ProcessId) is null, () => $"{ProcessId} was not reaped");
    }

    internal static bool HasEnded(int processId) => ProcessStatus.TryRead(processId) is not { HasEnded: false };

    public void Dispose()
    {
        _program.Dispose();
        _folder.Dispose();
    }
}
