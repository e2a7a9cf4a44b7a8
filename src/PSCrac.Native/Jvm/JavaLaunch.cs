using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>
/// Runs <c>java -XX:CRaCRestoreFrom</c>. The process that is started becomes criu and then the engine's guard, which forwards
/// signals to the restored JVM, its child, and exits with its exit code.
/// </summary>
internal static class JavaLaunch
{
    // What the engine's guard is started with (openjdk/crac: criuhelper.c, criuengine.c).
    private const string GuardCommand = "restorewait";
    private const int MaximumOutput = 64 * 1024;
    private static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(5);

    /// <summary>Has java restore a JVM.</summary>
    /// <param name="request">What and how.</param>
    /// <param name="java">The java program.</param>
    /// <param name="progress">Told of the phases; null for nobody.</param>
    /// <param name="cancellation">Ends the restore; nothing of it is left.</param>
    internal static LaunchedJvm Run(RestoreRequest request, string java, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        progress?.Report(new CracProgress(CracPhase.Restoring, 0, 0));
        long start = Stopwatch.GetTimestamp();
        using CriuWorkDirectory work = CriuWorkDirectory.Create($"{CracOperation.Restore.Name}-{request.Image.RootProcessId}", null);
        SafeFileHandle guard = Start(request, java, work, out int guardId);
        request.Guard?.Watch(guardId);
        try
        {
            int id = Await(request, guard, guardId, work, start, cancellation);
            progress?.Report(new CracProgress(CracPhase.Resuming, 0, 0));
            if (!request.AsChild)
            {
                ReapInBackground(guard);
                return new LaunchedJvm(id, Stopwatch.GetElapsedTime(start), null, guardId);
            }

            return new LaunchedJvm(id, Stopwatch.GetElapsedTime(start), guard, guardId);
        }
        catch
        {
            KillTree(guard, guardId);
            throw;
        }
    }

    // Tasks that criu has half restored would wait for it forever: they are killed too.
    private static void KillTree(SafeFileHandle guard, int guardId)
    {
        using (guard)
        {
            if (!LibC.WaitReadable(guard, 0))
            {
                List<ProcessIdentity> tree = [.. ProcessTree.Read(guardId).Members.Select(static member => member.Status.Identity)];
                LibC.Signal(guard, LibC.SIGKILL);
                foreach (ProcessIdentity member in tree.Where(member => member.ProcessId != guardId && member.HoldsItsPid()))
                {
                    LibC.Kill(member.ProcessId, LibC.SIGKILL);
                }
            }

            LibC.Reap(guard, out _, out _);
        }
    }

    private static SafeFileHandle Start(RestoreRequest request, string java, CriuWorkDirectory work, out int pid)
    {
        const uint PrivateFile = 0x180; // 0600
        RequireTrusted(request, java);
        const int LowestSource = 200; // The sources of dup2 must not be among its targets.
        using SafeFileHandle terminal = LibC.Open("/dev/tty", LibC.O_RDWR | LibC.O_NOCTTY, out Errno noTerminal);
        using SafeFileHandle nothing = LibC.Open("/dev/null", LibC.O_RDWR, out _);

        // criu gives a restored shell job the terminal that it has itself as standard input.
        using SafeFileHandle input = LibC.Duplicate(noTerminal == 0 ? terminal : nothing, LowestSource, out _);
        using SafeFileHandle log = work.Folder.Create(CriuWorkDirectory.LogName, out _, PrivateFile);
        using SafeFileHandle written = LibC.Duplicate(log, LowestSource, out _);

        // The engine has criu leave its statistics in the working directory, which is the shell's to choose.
        Errno errno = LibC.Spawn(
            "/bin/sh",
            ["sh", "-c", "cd \"$0\" && exec \"$@\"", work.Folder.DescriptorPath, java, .. Arguments(request, java)],
            EnvironmentOf(request),
            [(input, 0), (written, 1), (written, 2)],
            [LibC.SIGTTOU],
            [LibC.SIGPIPE],
            out pid);
        SafeFileHandle child = errno == 0 ? LibC.OpenPidFd(pid, out errno) : new SafeFileHandle(-1, ownsHandle: true);
        return errno == 0 ? child : throw new CracException(
            CracReason.JvmNotCapable, $"{java} could not be started: {LibC.Message(errno)}.", "Give -JavaPath the java of the runtime that made the image.");
    }

    private static void RequireTrusted(RestoreRequest request, string java)
    {
        const string Alternative = "give -JavaPath the java of another runtime";
        FileTrust.Require(java, "java at", Alternative);
        if (JavaRuntime.TryFind(java) is { Home: var home })
        {
            FileTrust.Require(Path.Combine(home, "lib"), "java's library folder", Alternative);
        }

        if ((request.CriuPath ?? Environment.GetEnvironmentVariable(CriuInstallation.CriuPathVariable)) is { Length: > 0 } criu)
        {
            CriuInstallation.RequireTrustedProgram(criu);
        }

        CriuTrust.Require();
    }

    private static IEnumerable<string> Arguments(RestoreRequest request, string java)
    {
        yield return $"-XX:CRaCRestoreFrom={request.Image.Path}";
        if (request.CriuPath is { } criu && JavaRuntime.TryFind(java) is { FeatureVersion: >= JvmEngine.WithoutVariables })
        {
            yield return $"-XX:CRaCEngineOptions=criu_location={criu}";
        }

        foreach (string option in request.Jvm.JavaOptions)
        {
            yield return option;
        }

        foreach ((string name, string value) in request.Jvm.Properties)
        {
            yield return $"-D{name}={value}";
        }

        if (request.Jvm.MainClass is { } main)
        {
            yield return main;
            foreach (string argument in request.Jvm.Arguments)
            {
                yield return argument;
            }
        }
    }

    // As for every criu that PSCrac starts itself: java's engine starts one with the same environment.
    private static List<string> EnvironmentOf(RestoreRequest request)
    {
        List<string> environment = CriuWorker.WorkerEnvironment();
        if (request.CriuPath is { } criu)
        {
            environment.RemoveAll(static variable => variable.StartsWith(CriuInstallation.CriuPathVariable + "=", StringComparison.Ordinal));
            environment.Add($"{CriuInstallation.CriuPathVariable}={criu}");
        }

        return environment;
    }

    private static int Await(RestoreRequest request, SafeFileHandle guard, int guardId, CriuWorkDirectory work, long start, CancellationToken cancellation)
    {
        int root = request.Image.RootProcessId;
        while (!LibC.WaitReadable(guard, (int)Slice.TotalMilliseconds))
        {
            cancellation.ThrowIfCancellationRequested();

            // criu becomes the guard after all tasks run and were notified.
            if (ProcessDirectory.TryOpen(guardId) is { } directory)
            {
                using (directory)
                {
                    // criu's own command line ends with the guard's.
                    if (ProcessCommandLine.TryRead(directory) is { Arguments: [.., GuardCommand] words } && !words.Contains("--exec-cmd")
                        && ProcessStatus.TryRead(root) is { HasEnded: false } status && status.ParentProcessId == guardId)
                    {
                        return root;
                    }
                }
            }

            if (Stopwatch.GetElapsedTime(start) > request.Jvm.Timeout)
            {
                throw new CracException(
                    CracReason.TimedOut, $"java did not restore the image within {request.Jvm.Timeout.TotalSeconds:0.#} s.", "Restore it with -Engine Criu.")
                {
                    LogPath = work.Keep(),
                    CriuLines = CriuLog.SelectErrors(ReadTail(work)),
                };
            }
        }

        IReadOnlyList<string> lines = CriuLog.SelectErrors(ReadTail(work));
        string? kept = work.Keep();
        CracException why = KnownFailures.Explain(CracOperation.Restore, kept, lines);
        throw why.Reason != CracReason.Unknown ? JvmDumpFailure.WithJvmAction(why) : new CracException(
            CracReason.Unknown, $"java did not restore the image: {(lines.Count > 0 ? lines[0] : "it gave no reason")}",
            "Restore it with -Engine Criu, whose log says more.")
        {
            LogPath = kept,
            CriuLines = lines,
        };
    }

    // Without a wait for it the guard would remain a zombie until this process ends.
    private static void ReapInBackground(SafeFileHandle guard) =>
        new Thread(() =>
        {
            using (guard)
            {
                LibC.Reap(guard, out _, out _);
            }
        })
        {
            IsBackground = true,
            Name = "PSCrac waits for a JVM's guard",
        }.Start();

    private static string ReadTail(CriuWorkDirectory work)
    {
        using FileStream file = new(work.Folder.OpenToRead(CriuWorkDirectory.LogName, out _), FileAccess.Read);
        file.Seek(-Math.Min(MaximumOutput, file.Length), SeekOrigin.End);
        using var reader = new StreamReader(file);
        return reader.ReadToEnd();
    }
}

/// <summary>A JVM that java has restored.</summary>
/// <param name="Id">Its pid.</param>
/// <param name="Time">How long it took.</param>
/// <param name="Guard">The guard, a child of this process, whose exit code is the JVM's. Null if it was not requested.</param>
/// <param name="GuardId">The guard's pid.</param>
internal sealed record LaunchedJvm(int Id, TimeSpan Time, SafeFileHandle? Guard, int GuardId);
