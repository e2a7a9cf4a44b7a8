using System.Collections;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.PidNamespaces;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Criu;

/// <summary>
/// One criu process started as "criu swrk 3", with its socket pair and its output. It serves one request and ends. PSCrac starts it
/// instead of libcriu, which would fork inside the .NET process.
/// </summary>
internal sealed class CriuWorker : IDisposable
{
    private const int ServiceDescriptor = 3;

    // Sources of dup2 must not be among its targets, or one copy would overwrite the next source.
    private const int LowestSource = 200;

    private const int ThreadEndMilliseconds = 1000;

    private readonly SafeFileHandle _pidFd;
    private readonly SafeFileHandle _theirEnd;
    private readonly SafeFileHandle _output;
    private readonly string _mark;
    private bool _reaped;

    private CriuWorker(int pid, SafeFileHandle pidFd, SafeFileHandle socket, SafeFileHandle theirEnd, SafeFileHandle output, string mark)
    {
        _mark = mark;
        Identity = ProcessIdentity.TryRead(pid) ?? new ProcessIdentity(pid, 0);
        _pidFd = pidFd;
        Socket = socket;
        _theirEnd = theirEnd;
        _output = output;
    }

    internal ProcessIdentity Identity { get; }

    internal int ProcessId => Identity.ProcessId;

    /// <summary>The caller's end of the pair. libcriu closes the descriptor it gets, so it must get a copy.</summary>
    internal SafeFileHandle Socket { get; }

    /// <summary>Starts a worker.</summary>
    /// <param name="installation">Which criu.</param>
    /// <param name="standardInput">The terminal of a restored shell job; null for /dev/null.</param>
    /// <param name="inherited">Descriptors that criu inherits, each with its number in criu.</param>
    /// <param name="place">The namespaces it runs in; null for the caller's.</param>
    /// <param name="start">How it is started.</param>
    /// <exception cref="CracException"><see cref="CracReason.CriuNotFound"/>: it could not be started.</exception>
    internal static CriuWorker Start(
        CriuInstallation installation,
        SafeHandle? standardInput = null,
        IReadOnlyList<(SafeHandle Source, int Target)>? inherited = null,
        PidNamespace? place = null,
        WorkerStart start = WorkerStart.Usual)
    {
        CriuFeatureCache.RemoveIfStale();
        Errno errno = LibC.CreateSocketPair(out SafeFileHandle ours, out SafeFileHandle theirs);
        if (errno != 0)
        {
            throw CannotStart(installation, errno);
        }

        SafeFileHandle output = LibC.CreateMemoryFile("criu-output", out Errno noOutput);
        using SafeFileHandle nothing = LibC.Open("/dev/null", LibC.O_RDWR, out _);
        var copies = new List<SafeFileHandle>();
        try
        {
            if (noOutput != 0)
            {
                throw CannotStart(installation, noOutput);
            }

            SafeHandle DuplicateHigh(SafeHandle handle)
            {
                Errno failed = Errno.None;
                SafeFileHandle copy = LimitFailure.CopyHigh(handle, LowestSource, ref failed);
                copies.Add(copy);
                return failed == 0 ? copy : throw CannotStart(installation, failed);
            }

            SafeHandle written = DuplicateHigh(output);
            var descriptors = new List<(SafeHandle, int)>
            {
                (DuplicateHigh(standardInput ?? nothing), 0), (written, 1), (written, 2), (DuplicateHigh(theirs), ServiceDescriptor),
            };
            foreach ((SafeHandle source, int target) in inherited ?? [])
            {
                descriptors.Add((DuplicateHigh(source), target));
            }

            string mark = WorkerRemains.CreateMark();
            int pid = Spawn(installation, descriptors, mark, place, start);
            SafeFileHandle pidFd = LibC.OpenPidFd(pid, out errno);
            return errno == 0 ? new CriuWorker(pid, pidFd, ours, theirs, output, mark) : throw CannotStart(installation, errno);
        }
        catch
        {
            ours.Dispose();
            theirs.Dispose();
            output.Dispose();
            throw;
        }
        finally
        {
            copies.ForEach(static copy => copy.Dispose());
        }
    }

    // A blocked SIGXFSZ lets a write past RLIMIT_FSIZE fail with EFBIG instead of ending criu: see FailWrites. A blocked
    // SIGTTOU lets criu set up a restored job's terminal from outside its foreground group.
    private static int Spawn(
        CriuInstallation installation, List<(SafeHandle Source, int Target)> descriptors, string mark, PidNamespace? place, WorkerStart start)
    {
        int pid = 0;
        Errno SpawnHere() => LibC.Spawn(
            installation.CriuPath,
            ["criu", "swrk", ServiceDescriptor.ToString(CultureInfo.InvariantCulture)],
            [.. WorkerEnvironment(), mark],
            descriptors,
            [LibC.SIGXFSZ, LibC.SIGTTOU],
            [LibC.SIGPIPE],
            out pid,
            newSession: start.HasFlag(WorkerStart.OwnSession));
        Errno errno = place is not null ? SpawnInside(installation.CriuPath, place, SpawnHere) : start.HasFlag(WorkerStart.OfFirstThread) ? SpawnOnEndingThread(SpawnHere) : SpawnHere();
        if (errno != Errno.None)
        {
            throw place is null ? CannotStart(installation, errno) : CannotStartInside(installation, errno);
        }

        return pid;
    }

    // The mounts of a container are its own: the criu at the path would be its program, and would run with this session's rights. It
    // is started only where the root folder and criu are those of this session.
    private static Errno SpawnInside(string program, PidNamespace place, Func<Errno> spawn)
    {
        if (!FileStatus.TryRead("/", 0, out FileStatus root, out Errno errno) || !FileStatus.TryRead(program, 0, out FileStatus file, out errno))
        {
            return errno;
        }

        return place.Run(() =>
        {
            bool isSame = FileStatus.TryRead("/", 0, out FileStatus rootThere, out Errno failed) && rootThere.IsSameFile(root)
                && FileStatus.TryRead(program, 0, out FileStatus fileThere, out failed) && fileThere.IsSameFile(file);
            return isSame ? spawn() : failed != 0 ? failed : Errno.EXDEV;
        });
    }

    // When a thread ends, the kernel gives its children to the first thread of the process that has not (find_alive_thread() in
    // kernel/exit.c): here to the first, which lasts as long as the process.
    private static Errno SpawnOnEndingThread(Func<Errno> spawn)
    {
        Errno errno = Errno.None;
        string? thread = null;
        var starter = new Thread(() =>
        {
            thread = new FileInfo("/proc/thread-self").LinkTarget;
            errno = spawn();
        })
        { IsBackground = true, Name = "criu starter" };
        starter.Start();
        starter.Join();

        // .NET's join returns shortly before the kernel's thread ends.
        SpinWait.SpinUntil(() => !Directory.Exists($"/proc/{thread}"), ThreadEndMilliseconds);
        return errno;
    }

    /// <summary>Makes every further write of criu to a file fail, so that it rolls back by itself.</summary>
    internal void FailWrites()
    {
        if (!_reaped)
        {
            LibC.SetSoftLimit(ProcessId, LibC.RLIMIT_FSIZE, 0);
        }
    }

    /// <summary>
    /// Responds to libcriu instead of a worker that has ended. A copy of the worker's end is kept open for this: without it libcriu
    /// would find the connection closed and print an error on this process's standard error. If the worker had already sent a
    /// response, libcriu reads that one and never this one.
    /// </summary>
    internal void AnswerFailure(CriuRequest request)
    {
        // CriuResp of criu's rpc.proto: type = 1, success = 2, both required varints.
        const byte TypeField = (1 << 3) | 0;
        const byte SuccessField = (2 << 3) | 0;
        LibC.Send(_theirEnd, [TypeField, (byte)request, SuccessField, 0]);
    }

    /// <summary>
    /// Kills criu and its descendants at once, without undoing what criu did to the dumped process. The descendants are its scripts
    /// and the tasks that it was restoring, never those that it was dumping; they would wait for criu forever.
    /// </summary>
    internal void KillTree()
    {
        const int SecondsToDie = 5;
        if (_reaped)
        {
            return;
        }

        IReadOnlyList<ProcessTreeMember> tree = [];
        try
        {
            // Stopped first, so that it starts nothing between the reading of its children and its end.
            LibC.Signal(_pidFd, LibC.SIGSTOP);
            tree = ProcessTree.Read(ProcessId).Members;
        }
        catch (CracException)
        {
            // It has ended and was reaped, so it has no children any more.
        }

        Kill();
        foreach (ProcessTreeMember member in tree.Skip(1))
        {
            ProcessKill.Kill(member.Status.Identity);
        }

        WaitForEnd(TimeSpan.FromSeconds(SecondsToDie));
        KillRemains();
    }

    /// <summary>Kills criu alone.</summary>
    internal void Kill() => LibC.Signal(_pidFd, LibC.SIGKILL);

    /// <summary>
    /// Kills what a criu that has ended without success has left: its process group and all that it started, wherever it is now.
    /// Afterwards it is reaped; until then its pid, which is its group's id, is not given to others.
    /// </summary>
    internal void KillRemains()
    {
        if (!_reaped)
        {
            WorkerRemains.Kill(ProcessId, _mark);
            Reap();
        }
    }

    /// <summary>Waits until criu has ended.</summary>
    /// <returns>Whether it did within <paramref name="timeout"/>.</returns>
    internal bool WaitForEnd(TimeSpan timeout) => _reaped || LibC.WaitReadable(_pidFd, (int)timeout.TotalMilliseconds);

    /// <summary>Reaps a criu that has ended.</summary>
    internal void Reap()
    {
        if (_reaped || !WaitForEnd(TimeSpan.Zero))
        {
            return;
        }

        CommandName = ProcessStatus.TryRead(ProcessId)?.CommandName ?? CommandName;

        // A host that reaps all its children may have been faster; how criu ended is then not known.
        Errno errno = LibC.Reap(_pidFd, out int code, out bool exited);
        WasSignalled = errno == 0 && !exited;
        ExitDescription = errno != 0 ? "reaped by another part of this program" : exited ? $"exit code {code}" : $"signal {code}";
        _reaped = true;
    }

    /// <summary>
    /// The command name (comm) of criu at its end, with which its forks start. It is a loader's if criu was started by one.
    /// </summary>
    internal string CommandName { get; private set; } = "criu";

    /// <summary>How criu ended; null while it runs.</summary>
    internal string? ExitDescription { get; private set; }

    /// <summary>Whether a signal ended it.</summary>
    internal bool WasSignalled { get; private set; }

    /// <summary>The beginning of criu's standard output and error.</summary>
    internal string ReadOutput()
    {
        const int MaximumBytes = 64 * 1024;
        byte[] buffer = new byte[Math.Min(MaximumBytes, Math.Max(0, RandomAccess.GetLength(_output)))];
        int read = RandomAccess.Read(_output, buffer, 0);
        return Encoding.UTF8.GetString(buffer, 0, read);
    }

    public void Dispose()
    {
        // It is disposed by its session and by its starter, if it was started before the session.
        if (!_reaped && !_pidFd.IsClosed)
        {
            KillTree();
        }

        Socket.Dispose();
        _theirEnd.Dispose();
        _pidFd.Dispose();
        _output.Dispose();
    }

    /// <summary>
    /// The environment of every criu that PSCrac starts: the caller's, without the variable that names another configuration, without
    /// a home folder that is not the caller's, and with the folders on the PATH in which <see cref="CriuPrograms"/> finds the programs
    /// that criu runs.
    /// </summary>
    internal static List<string> WorkerEnvironment()
    {
        var environment = new List<string> { $"PATH={CriuPrograms.SearchPath()}" };
        bool keepsHome = CriuConfigFile.FindHome(out _) is not null;
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            var name = (string)variable.Key;
            if (name is not ("CRIU_CONFIG_FILE" or "PATH") && !WorkerRemains.IsMark(name) && (keepsHome || name != "HOME"))
            {
                environment.Add($"{name}={variable.Value}");
            }
        }

        return environment;
    }

    /// <summary>Gives a criu the same environment.</summary>
    internal static void SetEnvironment(ProcessStartInfo start)
    {
        start.Environment.Clear();
        foreach (string variable in WorkerEnvironment())
        {
            int equals = variable.IndexOf('=', 1);
            start.Environment[variable[..equals]] = variable[(equals + 1)..];
        }
    }

    /// <summary>The exception for a criu that could not be started.</summary>
    private static CracException CannotStart(CriuInstallation installation, Errno errno) => LimitFailure.Explain("criu could not be started", errno) ?? new(
        CracReason.CriuNotFound,
        $"The criu worker {installation.CriuPath} could not be started: {LibC.Message(errno)}.",
        $"Check that this program runs, or name another with {CriuInstallation.CriuPathVariable}.");

    private static CracException CannotStartInside(CriuInstallation installation, Errno errno) => new(
        CracReason.NamespaceUnsupported,
        errno is Errno.ENOENT or Errno.EXDEV
            ? $"The process has another root file system than this session, in which {installation.CriuPath} {(errno == Errno.ENOENT ? "does not exist" : "would be another program")}."
            : $"The criu worker {installation.CriuPath} could not be started in the process's pid namespace: {LibC.Message(errno)}.",
        "Checkpoint a container with its own engine (podman container checkpoint), or from a session inside it where criu is installed.");
}
