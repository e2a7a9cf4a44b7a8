using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.PidNamespaces;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Paging;

/// <summary>
/// A page daemon of our own and its guard, two processes in sessions of their own, from the side of who starts them. They can be started
/// before it is known what they serve.
/// </summary>
internal sealed class PageServer : IDisposable
{
    private const string SocketName = "lazy-pages.socket"; // LAZY_PAGES_SOCK_NAME in criu/uffd.c
    private const int LowestSource = 200;
    private const int MaximumOutput = 4096;
    private const int ArmMilliseconds = 30_000;

    // Of both and their threads, also where dotnet or pwsh runs them.
    private const int MaximumIds = 40;

    private readonly SafeFileHandle _control;
    private readonly SafeFileHandle _pidFd;
    private readonly SafeFileHandle _guardPidFd;
    private readonly SafeFileHandle _output;
    private readonly Lock _reaping = new();
    private int _firstId;
    private bool _isReleased;
    private (int Code, bool Exited)? _end;

    private PageServer(int processId, SafeFileHandle control, SafeFileHandle pidFd, SafeFileHandle guardPidFd, SafeFileHandle output)
    {
        Identity = ProcessIdentity.TryRead(processId) ?? new ProcessIdentity(processId, 0);
        _control = control;
        _pidFd = pidFd;
        _guardPidFd = guardPidFd;
        _output = output;
    }

    /// <summary>The daemon.</summary>
    internal ProcessIdentity Identity { get; }

    /// <summary>Readable when the daemon has ended.</summary>
    internal SafeFileHandle ProcessHandle => _pidFd;

    /// <summary>Starts both.</summary>
    /// <param name="avoided">Pids that they and their threads must not have, since the tree is restored with them; those of another namespace do no harm.</param>
    /// <exception cref="CracException">They could not be started.</exception>
    internal static PageServer Start(IReadOnlyCollection<int> avoided)
    {
        PageServer server = StartAnywhere();
        while (avoided.Any(id => id >= server._firstId && id < server._firstId + MaximumIds))
        {
            // It keeps its pids until another one with other pids runs.
            using PageServer inTheWay = server;
            server = StartAnywhere();
        }

        return server;
    }

    private static PageServer StartAnywhere()
    {
        Errno errno = LibC.CreateSocketPair(out SafeFileHandle ours, out SafeFileHandle theirs);
        Errno noPair = LibC.CreateSocketPair(out SafeFileHandle daemonEnd, out SafeFileHandle guardEnd);
        errno = errno != 0 ? errno : noPair;
        SafeFileHandle output = LibC.CreateMemoryFile("pages-output", out Errno noOutput);
        errno = errno != 0 ? errno : noOutput;
        int pid = 0, guardPid = 0;
        errno = errno != 0 ? errno : Spawn(PageProcess.GuardMode, output, [(guardEnd, PageProcess.Control)], out guardPid);
        SafeFileHandle? guard = errno == 0 ? LibC.OpenPidFd(guardPid, out errno) : null;
        errno = errno != 0 ? errno : Spawn(PageProcess.DaemonMode, output, [(theirs, PageProcess.Control), (daemonEnd, PageProcess.Guard)], out pid);
        theirs.Dispose();
        daemonEnd.Dispose();
        guardEnd.Dispose();
        SafeFileHandle? pidFd = errno == 0 ? LibC.OpenPidFd(pid, out errno) : null;
        if (errno == 0)
        {
            return new PageServer(pid, ours, pidFd!, guard!, output) { _firstId = Math.Min(pid, guardPid) };
        }

        if (guard is not null)
        {
            LibC.Reap(guard, out _, out _);
            guard.Dispose();
        }

        ours.Dispose();
        output.Dispose();
        throw LimitFailure.Explain("The page daemon could not be started", errno)
            ?? new CracException(CracReason.ProgramNotStarted, $"The page daemon could not be started: {LibC.Message(errno)}.", "Leave out -LazyPages.");
    }

    /// <summary>Has it serve an image. criu can connect from then on.</summary>
    /// <param name="images">The image.</param>
    /// <param name="work">criu's work directory, in which it looks for the socket.</param>
    /// <param name="source">Where the pages come from; null if they are in the image.</param>
    /// <exception cref="CracException">It has ended.</exception>
    internal void Serve(FolderHandle images, FolderHandle work, PageSource? source)
    {
        using SafeFileHandle listener = LibC.Listen(work.Handle, SocketName, out Errno errno);
        errno = errno != 0 ? errno : new PageOrders
        {
            Images = images,
            CriuListener = listener,
            FeedListener = source?.Listener,
            FeedFolder = source?.Folder,
            FeedName = source?.Name ?? "",
            SilenceMilliseconds = (int)Math.Min(source?.Silence.TotalMilliseconds ?? 0, int.MaxValue),
            KeepsImage = source?.KeepsImage ?? false,
        }.Send(_control);
        if (errno != 0)
        {
            throw Failure($"it could not be told what to serve: {LibC.Message(errno)}");
        }
    }

    /// <summary>Throws if it has ended.</summary>
    internal void RequireAlive()
    {
        if (LibC.WaitReadable(_pidFd, 0) && !HasSucceeded())
        {
            throw Failure("it ended before all pages were in");
        }
    }

    /// <summary>Tells it, and through it the guard, what to kill if pages are lost; before the tree runs. From then on both go on without this process.</summary>
    /// <exception cref="CracException">It has ended.</exception>
    internal void Arm(IReadOnlyList<ProcessIdentity> tree)
    {
        Span<byte> answer = stackalloc byte[1];
        foreach (ProcessIdentity[] part in tree.Chunk(PageGuard.MaximumIdentities))
        {
            LibC.SendBlocking(_control, PageGuard.WriteTree(part));
            if (!LibC.WaitReadable(_control, ArmMilliseconds) || LibC.Receive(_control, answer) != 1)
            {
                throw Failure("it ended before the tree ran");
            }
        }
    }

    /// <summary>Lets it go on without this object, which is to wait for its end.</summary>
    internal void Release() => _isReleased = true;

    /// <summary>Waits for its end.</summary>
    /// <returns>Whether all pages came in.</returns>
    internal bool WaitForEnd()
    {
        bool hasSucceeded = HasSucceeded();
        Close();
        return hasSucceeded;
    }

    /// <summary>Kills both, unless they were released.</summary>
    public void Dispose()
    {
        if (!_isReleased)
        {
            _isReleased = true;
            LibC.Signal(_pidFd, LibC.SIGKILL);
            HasSucceeded();
            Close();
        }
    }

    private static Errno Spawn(string mode, SafeFileHandle output, IReadOnlyList<(SafeFileHandle Socket, int Number)> sockets, out int pid)
    {
        pid = 0;
        NamespaceInitHost host = NamespaceInitHost.Locate();
        Errno errno = Errno.None;
        using SafeFileHandle nothing = LibC.Open("/dev/null", LibC.O_RDWR, out _);
        List<(SafeHandle, int)> descriptors =
        [
            (LimitFailure.CopyHigh(nothing, LowestSource, ref errno), 0), (LimitFailure.CopyHigh(output, LowestSource, ref errno), 1), (LimitFailure.CopyHigh(output, LowestSource, ref errno), 2),
        ];
        foreach ((SafeFileHandle socket, int number) in sockets)
        {
            descriptors.Add((LimitFailure.CopyHigh(socket, LowestSource, ref errno), number));
        }

        List<string> environment =
        [
            .. host.Environment, $"PATH={FileTrust.SearchPath()}", $"{PageProcess.ModeVariable}={mode}",
            "DOTNET_EnableDiagnostics=0", "DOTNET_gcConcurrent=0", "DOTNET_TieredPGO=0",
        ];
        IReadOnlyList<string> arguments = [.. host.Arguments.Select(static each => each == NamespaceInitHost.InitArgument ? PageProcess.Argument : each)];
        errno = errno != 0 ? errno : LibC.Spawn(
            host.Program, arguments, environment, descriptors, [], [LibC.SIGPIPE], out pid, newSession: true, workingDirectory: "/",
            closed: [.. LibC.ListDescriptors().Where(static number => number > PageProcess.Guard)]);
        foreach ((SafeHandle copy, _) in descriptors)
        {
            copy.Dispose();
        }

        return errno;
    }

    private bool HasSucceeded()
    {
        lock (_reaping)
        {
            if (_end is null)
            {
                _end = LibC.Reap(_pidFd, out int code, out bool exited) == 0 ? (code, exited) : (-1, false);

                // It ends with the daemon.
                LibC.Reap(_guardPidFd, out _, out _);
            }

            return _end is (PageDaemonLoop.AllIn, true);
        }
    }

    private CracException Failure(string what)
    {
        byte[] buffer = new byte[MaximumOutput];
        int read = RandomAccess.Read(_output, buffer, 0);
        string said = Encoding.UTF8.GetString(buffer, 0, read).Trim();
        return new CracException(
            CracReason.WorkerDied,
            string.Create(CultureInfo.InvariantCulture, $"The page daemon cannot serve the restore: {what}. {said}").TrimEnd(),
            "Leave out -LazyPages.");
    }

    private void Close()
    {
        _control.Dispose();
        _pidFd.Dispose();
        _guardPidFd.Dispose();
        _output.Dispose();
    }
}
