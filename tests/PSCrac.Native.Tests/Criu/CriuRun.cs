using Microsoft.Win32.SafeHandles;
using PSCrac.Criu;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Criu;

/// <summary>A Python program that criu dumps and restores without preflight, which would refuse first.</summary>
internal sealed class CriuRun : IDisposable
{
    private const string Before = """
        import ctypes, fcntl, mmap, os, platform, signal, socket, struct, sys, threading, time
        libc = ctypes.CDLL(None, use_errno=True)
        arm = platform.machine() == "aarch64"
        def call(number, *arguments):
            result = libc.syscall(number, *arguments)
            if result < 0: sys.exit(os.strerror(ctypes.get_errno()))
            return result

        """;

    private const string After = """

        print("ready", flush=True)
        while True: signal.pause()
        """;

    private readonly TemporaryFolder _image = new();
    private readonly TestProgram _program;
    private readonly ProcessTree _tree;

    /// <summary>Starts the program.</summary>
    /// <param name="script">What the program does before it waits.</param>
    /// <param name="target">The index of the dumped process in its tree, 0 for its root.</param>
    /// <param name="prefix">A command to start it with.</param>
    internal CriuRun(string script, int target = 0, params string[] prefix)
        : this([.. prefix, PythonProgram.Path!, "-c", Before + script + After], target)
    {
    }

    /// <summary>Starts any program that prints "ready".</summary>
    internal CriuRun(string[] command, int target = 0)
    {
        _program = TestProgram.Start(command[0], command[1..], openFolder: true);
        try
        {
            Wait.Until(() => LinesReady() > 0 && ProcessTree.Read(_program.ProcessId).Members.Count > target, () => $"not ready: {_program.ReadErrors()}");
            _tree = ProcessTree.Read(_program.ProcessId);
            ProcessId = _tree.ProcessIds[target];
            _program.Remember();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The dumped process.</summary>
    internal int ProcessId { get; }

    /// <summary>The program's working directory.</summary>
    internal string Folder => _program.Folder;

    /// <summary>The image's directory, created by <see cref="Dump"/>.</summary>
    internal string ImagePath => _image.FullPath;

    internal string[] ImageFiles(string pattern) => Directory.GetFiles(ImagePath, pattern);

    /// <summary>Dumps it. Null on success; the process has then ended, and its pid is free.</summary>
    internal CracException? Dump(CheckpointOptions? options = null)
    {
        CracException? failure = Dump(ProcessId, ImagePath, options ?? new());
        if (failure is null && options is not { LeaveRunning: true })
        {
            // Its parent does not reap it, unless the parent is the test.
            Wait.Until(() => ProcessStatus.TryRead(ProcessId) is not { HasEnded: false }, () => "the dumped program lives");
            End();
        }

        return failure;
    }

    /// <summary>Dumps any process.</summary>
    /// <param name="processId">The process.</param>
    /// <param name="imagePath">The image's directory.</param>
    /// <param name="options">The options.</param>
    /// <param name="limit">Sets a limit of the worker, by its pid.</param>
    internal static CracException? Dump(int processId, string imagePath, CheckpointOptions options, Action<int>? limit = null) => Run(
        CriuRequest.Dump, imagePath, CriuConfigFile.Compose(options), (session, images) =>
        {
            session.Apply(options, images);
            session.SetRoot(processId);
            limit?.Invoke(session.Worker.ProcessId);
        });

    /// <summary>Restores it. Null on success.</summary>
    /// <param name="options">The options.</param>
    /// <param name="config">More lines for the configuration file.</param>
    /// <param name="limit">Sets a limit of the worker, by its pid.</param>
    internal CracException? Restore(RestoreOptions? options = null, string? config = null, Action<int>? limit = null)
    {
        options ??= new();
        CracException? failure = Run(CriuRequest.Restore, ImagePath, CriuConfigFile.Compose(options) + config, (session, images) =>
        {
            session.Apply(options, images);
            limit?.Invoke(session.Worker.ProcessId);
        });
        _program.Remember();
        return failure;
    }

    /// <summary>Ends the remaining processes of the program.</summary>
    internal void End()
    {
        foreach (int id in _tree.ProcessIds)
        {
            CriuProgram.Kill("-KILL", $"{id}");
        }

        Wait.Until(() => ProcessStatus.TryRead(ProcessId) is null, () => $"{ProcessId} was not reaped");
    }

    public void Dispose()
    {
        _program.Dispose();
        _image.Dispose();
    }

    private int LinesReady() => File.Exists(_program.OutputPath) ? File.ReadLines(_program.OutputPath).Count(static line => line == "ready") : 0;

    private static CracException? Run(CriuRequest request, string imagePath, string? config, Action<CriuSession, SafeFileHandle> apply)
    {
        using SafeFileHandle images = LibC.Open(imagePath, LibC.O_RDONLY | LibC.O_DIRECTORY, out Errno errno);
        Assert.Equal(Errno.None, errno);
        using var work = CriuWorkDirectory.Create("test", config);
        var installation = CriuInstallation.Locate();
        using var session = CriuSession.Start(installation, work, CriuSession.StartWorker(installation));
        using var limit = new CancellationTokenSource(Wait.Limit);
        apply(session, images);
        int result = session.Run(request, limit.Token);
        CracOperation operation = request == CriuRequest.Dump ? CracOperation.Checkpoint : CracOperation.Restore;
        return result >= 0 ? null : Assert.IsType<CracException>(session.Failure(operation, limit.Token));
    }
}
