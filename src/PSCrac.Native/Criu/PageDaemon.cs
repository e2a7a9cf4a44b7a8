using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Criu;

/// <summary>
/// One "criu lazy-pages" process: it transfers the pages of a restored tree, requested ones first, and ends when all are
/// transferred. It is started before the worker, which connects to its socket in their common work directory.
/// </summary>
internal sealed class PageDaemon : IDisposable
{
    // The descriptor numbers in the daemon's command line.
    private const int StatusDescriptor = 3;
    private const int ImagesDescriptor = 4;
    private const int WorkDescriptor = 5;
    private const int LowestSource = 200;
    private const int PollMilliseconds = 50;
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(30);

    private readonly CriuInstallation _installation;
    private readonly SafeFileHandle _pidFd;
    private readonly SafeFileHandle _status;
    private readonly SafeFileHandle _output;
    private readonly Lock _reaping = new();
    private bool _released;
    private bool _ended;
    private (int Code, bool Exited)? _end;

    private PageDaemon(CriuInstallation installation, int processId, SafeFileHandle pidFd, SafeFileHandle status, SafeFileHandle output)
    {
        _installation = installation;
        Identity = ProcessIdentity.TryRead(processId) ?? new ProcessIdentity(processId, 0);
        _pidFd = pidFd;
        _status = status;
        _output = output;
    }

    internal ProcessIdentity Identity { get; }

    internal int ProcessId => Identity.ProcessId;

    /// <summary>Starts it in its own session (setsid(2)), so that it continues when the caller's session ends.</summary>
    /// <param name="installation">Which criu.</param>
    /// <param name="images">The images directory.</param>
    /// <param name="work">The work directory, in which its socket is created.</param>
    /// <exception cref="CracException"><see cref="CracReason.CriuNotFound"/>: it could not be started.</exception>
    internal static PageDaemon Start(CriuInstallation installation, SafeHandle images, SafeHandle work)
    {
        Errno errno = LibC.CreateSocketPair(out SafeFileHandle ours, out SafeFileHandle theirs);
        SafeFileHandle output = LibC.CreateMemoryFile("criu-output", out Errno noOutput);
        errno = errno != 0 ? errno : noOutput;
        using SafeFileHandle nothing = LibC.Open("/dev/null", LibC.O_RDWR, out _);
        using SafeFileHandle input = LimitFailure.CopyHigh(nothing, LowestSource, ref errno);
        using SafeFileHandle written = LimitFailure.CopyHigh(output, LowestSource, ref errno);
        using SafeFileHandle status = LimitFailure.CopyHigh(theirs, LowestSource, ref errno);
        using SafeFileHandle imagesCopy = LimitFailure.CopyHigh(images, LowestSource, ref errno);
        using SafeFileHandle workCopy = LimitFailure.CopyHigh(work, LowestSource, ref errno);
        theirs.Dispose();
        int pid = 0;
        errno = errno != 0 ? errno : LibC.Spawn(
            installation.CriuPath,
            [
                "criu", "lazy-pages", "--no-default-config", "--verbosity=1",
                "--images-dir", Inherited(ImagesDescriptor), "--work-dir", Inherited(WorkDescriptor),
                "--status-fd", StatusDescriptor.ToString(CultureInfo.InvariantCulture),
            ],
            CriuWorker.WorkerEnvironment(),
            [(input, 0), (written, 1), (written, 2), (status, StatusDescriptor), (imagesCopy, ImagesDescriptor), (workCopy, WorkDescriptor)],
            [],
            [LibC.SIGPIPE],
            out pid,
            newSession: true,
            closed: [.. LibC.ListDescriptors().Where(static number => number > WorkDescriptor)]);
        SafeFileHandle? pidFd = errno == 0 ? LibC.OpenPidFd(pid, out errno) : null;
        if (errno == 0)
        {
            return new PageDaemon(installation, pid, pidFd!, ours, output);
        }

        pidFd?.Dispose();
        ours.Dispose();
        output.Dispose();
        throw CriuWorker.CannotStart(installation, errno);
    }

    /// <summary>Waits until it listens.</summary>
    /// <exception cref="CracException">It ended, or was not ready in time.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal void WaitUntilReady(CancellationToken cancellation)
    {
        long end = Environment.TickCount64 + (long)StartTimeout.TotalMilliseconds;
        while (!LibC.WaitReadable(_status, PollMilliseconds))
        {
            cancellation.ThrowIfCancellationRequested();

            // What it has started may keep the descriptor open.
            RequireAlive();
            if (Environment.TickCount64 >= end)
            {
                throw Failure($"it was not ready within {StartTimeout.TotalSeconds:0} s");
            }
        }

        // criu writes one byte there once it listens (status_ready in criu/util.c).
        Span<byte> ready = stackalloc byte[1];
        if (LibC.Receive(_status, ready) < 1)
        {
            throw Failure("it ended at once");
        }
    }

    /// <summary>
    /// Checks it once more before the tree runs. No copies of the tasks' userfaultfds are kept, although with a copy a task would
    /// wait instead of reading zeros when the daemon dies: criu removes a task whose pages are complete by closing its userfaultfd
    /// (lpi_fini in uffd.c). With a copy open the daemon would use freed memory and stop serving the other tasks.
    /// </summary>
    /// <exception cref="CracException">It has ended before all pages were transferred.</exception>
    internal void RequireAlive()
    {
        if (LibC.WaitReadable(_pidFd, 0) && !WaitForSuccess())
        {
            throw Failure("it ended before all pages were transferred");
        }
    }

    /// <summary>Monitors it in the background until it has ended.</summary>
    /// <param name="lost">Kills the tree, which cannot continue without its pages.</param>
    internal CracLazyPages Watch(Action lost)
    {
        _released = true;
        var pages = new CracLazyPages(ProcessId);
        var watcher = new Thread(() =>
        {
            bool hasSucceeded = WaitForSuccess();
            if (!hasSucceeded)
            {
                lost();
            }

            Close();
            pages.Complete(hasSucceeded);
        })
        { IsBackground = true, Name = $"page daemon {ProcessId}" };
        watcher.Start();
        return pages;
    }

    /// <summary>Kills it, unless it is monitored.</summary>
    public void Dispose()
    {
        if (!_released)
        {
            LibC.Signal(_pidFd, LibC.SIGKILL);
            WaitForSuccess();
            Close();
        }
    }

    private static string Inherited(int descriptor) => string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{descriptor}");

    private bool WaitForSuccess()
    {
        lock (_reaping)
        {
            if (!_ended)
            {
                EndRemains();
                _end = LibC.Reap(_pidFd, out int code, out bool exited) == 0 ? (code, exited) : null;
                _ended = true;
            }

            return _end is (0, true);
        }
    }

    // A criu that is killed while it probes the kernel leaves a child, stopped for good. Until the daemon is reaped, its pid is the id of
    // its process group and of no other.
    private void EndRemains()
    {
        while (!LibC.WaitReadable(_pidFd, int.MaxValue))
        {
        }

        if (Identity.HoldsItsPid())
        {
            LibC.Kill(-ProcessId, LibC.SIGKILL);
        }
    }

    private CracException Failure(string what)
    {
        byte[] buffer = new byte[4096];
        int read = RandomAccess.Read(_output, buffer, 0);
        IReadOnlyList<string> lines = CriuLog.SelectErrors(Encoding.UTF8.GetString(buffer, 0, read));
        return new CracException(
            CracReason.KernelFeatureMissing,
            $"criu's page daemon ({_installation.CriuPath} lazy-pages) cannot serve the restore: {what}.",
            "Leave out -LazyPages. Test-CracEnvironment shows whether this kernel supports it (uffd-noncoop).")
        {
            CriuLines = lines,
        };
    }

    private void Close()
    {
        _pidFd.Dispose();
        _status.Dispose();
        _output.Dispose();
    }
}
