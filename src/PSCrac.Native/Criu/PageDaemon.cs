using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Criu;

/// <summary>
/// One "criu lazy-pages": it gives a restored tree its pages, those that the tree asks for first, and ends when all are
/// there. It is started before the worker, which connects to it in the work directory that both have.
/// </summary>
internal sealed class PageDaemon : IDisposable
{
    // What the daemon's own command line calls by number.
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

    /// <summary>Starts it, in a session of its own: it goes on when this one ends.</summary>
    /// <param name="installation">Which criu.</param>
    /// <param name="images">The images directory.</param>
    /// <param name="work">The work directory, where its socket is made.</param>
    /// <exception cref="CracException"><see cref="CracReason.CriuNotFound"/>: it could not be started.</exception>
    internal static PageDaemon Start(CriuInstallation installation, SafeHandle images, SafeHandle work)
    {
        Errno errno = LibC.CreateSocketPair(out SafeFileHandle ours, out SafeFileHandle theirs);
        SafeFileHandle output = LibC.CreateMemoryFile("criu-output", out _);
        using SafeFileHandle nothing = LibC.Open("/dev/null", LibC.O_RDWR, out _);
        using SafeFileHandle input = LibC.Duplicate(nothing, LowestSource, out _);
        using SafeFileHandle written = LibC.Duplicate(output, LowestSource, out _);
        using SafeFileHandle status = LibC.Duplicate(theirs, LowestSource, out _);
        using SafeFileHandle imagesCopy = LibC.Duplicate(images, LowestSource, out _);
        using SafeFileHandle workCopy = LibC.Duplicate(work, LowestSource, out _);
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
    /// <exception cref="CracException">It ended, or does not get there.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal void WaitUntilReady(CancellationToken cancellation)
    {
        long end = Environment.TickCount64 + (long)StartTimeout.TotalMilliseconds;
        while (!LibC.WaitReadable(_status, PollMilliseconds))
        {
            cancellation.ThrowIfCancellationRequested();
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
    /// Asks once more before the tree runs. Copies of the tasks' userfaultfds, with which a task would wait rather than find
    /// zeros when the daemon dies, are not kept: criu takes a task whose pages are all in off its list by closing (lpi_fini in
    /// uffd.c), which a copy defeats; the daemon then reads what it has freed, and serves the other tasks no more.
    /// </summary>
    /// <exception cref="CracException">It has ended with pages left.</exception>
    internal void RequireAlive()
    {
        if (LibC.WaitReadable(_pidFd, 0) && !WaitForSuccess())
        {
            throw Failure("it ended before all pages were transferred");
        }
    }

    /// <summary>Watches over it from here on, in the background, until it has ended.</summary>
    /// <param name="lost">Ends the tree, which cannot go on without its pages.</param>
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

    /// <summary>Ends it, unless it is watched.</summary>
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
        if (!_ended)
        {
            _end = LibC.Reap(_pidFd, out int code, out bool exited) == 0 ? (code, exited) : null;
            _ended = true;
        }

        return _end is (0, true);
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
