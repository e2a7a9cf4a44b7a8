using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.PidNamespaces;
using PSCrac.Preflight.ImageRules;
using PSCrac.Preflight.Subjects;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>
/// One attempt at a restore, one method for each step: prepare (trust, completeness), place (pid namespace), start criu, answer its
/// notifications, and complete or explain the failure. What a step opens is closed with the attempt, in reverse order.
/// </summary>
internal sealed class RestoreAttempt : IDisposable
{
    // Only the user's scripts and page daemons can delay criu's reaction to a cancellation.
    private static readonly TimeSpan RollbackLimit = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan s_withoutPages = TimeSpan.FromMilliseconds(200);

    // A signal that criu's end has sent takes effect when the process runs next.
    private const int SignalMilliseconds = 200;
    private const int ExplanationMilliseconds = 1000;

    private readonly RestoreRequest _request;
    private readonly IProgress<CracProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly CriuInstallation _installation;
    private readonly RestoreOptions _options;
    private readonly CracImage _image;
    private readonly Stack<IDisposable> _opened = new();
    private SafeFileHandle? _terminal;
    private WorkerStart _start;
    private CriuWorker? _preparedWorker;
    private FolderHandle? _images;
    private bool _isInNewNamespace;
    private BackgroundPreflight? _preflight;
    private CriuWorkDirectory? _work;
    private ImageOverlay? _overlay;
    private RestorePages? _pageDaemon;
    private long? _daemonEnded;
    private SessionGuard? _ownGuard;
    private NamespaceInitProcess? _init;
    private ProcessIdentity[] _helpers = [];
    private IReadOnlyList<string> _warnings = [];
    private int? _rootId;
    private IReadOnlyList<ProcessIdentity> _restoredProcesses = [];
    private SafeFileHandle? _rootHandle;
    private SocketPaths? _socketPaths;
    private readonly Lazy<List<(string FileName, int Signal)>> _parentDeathSignals;

    internal RestoreAttempt(RestoreRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        _request = request;
        _image = request.Image;
        _progress = progress;
        _cancellation = cancellation;
        _installation = CriuInstallation.LocateAnyVersion(request.CriuPath);
        _options = request.Options.WithDefaults(request.Image.Options);
        _parentDeathSignals = new(() => ParentDeathRule.FindInRoot(request.Image), LazyThreadSafetyMode.PublicationOnly);
    }

    // A parent that stays, this process or the namespace's init, keeps the root from the signal.
    private bool HasParentDeathSignal => !_isInNewNamespace && !_request.AsChild && _parentDeathSignals.Value.Count > 0;

    private SessionGuard? Guard => _request.Guard ?? _ownGuard;

    /// <summary>Runs the attempt.</summary>
    /// <param name="logLevel">criu's log level.</param>
    internal CracRestoredProcess Run(int logLevel)
    {
        Report(CracPhase.Preparing);
        RestoreReadahead readahead = Prepare();
        Place(readahead);
        CriuSession session = StartCriu(logLevel);
        session.Notified = (action, _) => OnNotification(action, session);

        session.Polled = _pageDaemon is null ? null : () => RequirePageDaemon(session);
        long start = Stopwatch.GetTimestamp();
        Report(CracPhase.Restoring);
        int result = session.Run(CriuRequest.Restore, _cancellation);
        if (result <= 0)
        {
            throw Explain(session);
        }

        TimeSpan time = Stopwatch.GetElapsedTime(start);
        RequireRunning();
        return Complete(result, time);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        while (_opened.TryPop(out IDisposable? opened))
        {
            opened.Dispose();
        }
    }

    // criu waits without limit for pages that a page daemon that was killed does not bring, and cannot roll back meanwhile.
    private void RequirePageDaemon(CriuSession session)
    {
        try
        {
            _pageDaemon!.RequireAlive();
        }
        catch (CracException)
        {
            // It also ends because criu has failed, which is about to say why.
            _daemonEnded ??= Environment.TickCount64;
            if (Environment.TickCount64 - _daemonEnded >= ExplanationMilliseconds)
            {
                session.RollbackTimeout = s_withoutPages;
                throw;
            }
        }
    }

    private RestoreReadahead Prepare()
    {
        DisposeLater(BreakpointPreparation.Begin());
        _start = ChooseStart();
        _terminal = _options.ShellJob == true && !_start.HasFlag(WorkerStart.OwnSession) ? DisposeLaterIfAny(OpenTerminal()) : null;

        // criu starts while the image is checked, but for an image without the signature that is required none does.
        bool startsEarly = RestorePlacement.Choose(_request.PidNamespace, _image) == CracPidNamespace.Host;
        _preparedWorker = startsEarly && !_request.RequireSignature ? DisposeLater(StartWorker()) : null;

        // The owner is checked on the descriptor that criu then reads from.
        ImageTrust trust = DisposeLater(ImageTrust.Examine(_image.Path));
        _images = RestorePreflight.RequireTrusted(trust, _request, _cancellation);
        _preparedWorker ??= startsEarly ? DisposeLater(StartWorker()) : null;
        _pageDaemon = _options.LazyPages ? DisposeLater(RestorePages.Start(_request.Pages, RequiredIds())) : null;
        RestorableImage.RequireSameFolder(_image, _images);
        RestorableImage.Lock(_image, _images);
        RestoreReadahead readahead = DisposeLater(RestoreReadahead.Begin(_images, _image, withPages: !_options.LazyPages));
        RestorableImage.RequireComplete(_image, _images);
        return readahead;
    }

    private void Place(RestoreReadahead readahead)
    {
        Report(CracPhase.WaitingForPids);
        try
        {
            _isInNewNamespace = RestorePlacement.WantsNewNamespace(_request, _cancellation);
        }
        catch (CracException)
        {
            // A program that is no criu is told first, as it is where the pids are free.
            _installation.RequireSuitableVersion();
            throw;
        }

        Report(CracPhase.Preparing);
        _work = DisposeLater(CriuWorkDirectory.Create($"{CracOperation.Restore.Name}-{_image.RootProcessId}", ComposeConfig()));
        KeptFiles.Supply(_image);
        FileEdits edits = EditFiles();
        _warnings = [.. _warnings, .. RestorableImage.DescribeUnchecked(_image)];
        _preflight = DisposeLater(BackgroundPreflight.Start(() =>
        {
            IReadOnlyList<CracFinding> findings = RestorePreflight.RequirePossible(_request, _options, _installation, _isInNewNamespace, edits);
            _installation.RequireSuitableVersion();
            return findings;
        }));
        _ = readahead.ContinueAfter(_preflight.Completion);
        if (_isInNewNamespace)
        {
            // A namespace is made only for a tree that can be restored.
            _preflight.Require();
        }

        _overlay = edits.IsEmpty ? null : DisposeLater(ImageOverlay.Create(_image, _work.Folder, edits));
    }

    private CriuSession StartCriu(int logLevel)
    {
        SafeFileHandle read = _overlay?.Handle ?? _images!.Handle;
        _pageDaemon?.Serve(_images!, _work!.Folder);
        _ownGuard = _request.Guard is null && CanOutliveSession() ? DisposeLaterIfAny(SessionGuard.TryStart()) : null;
        _init = _isInNewNamespace ? DisposeLater(NamespaceInitProcess.Start(_image.ThreadIds, _image.RootProcessId, _cancellation)) : null;
        PidNamespace? inside = DisposeLaterIfAny(_init?.OpenNamespace());
        CriuSession session = DisposeLater(inside is null
            ? CriuSession.Start(_installation, _work!, _preparedWorker ?? StartWorker(), _request.Inherited)
            : CriuSession.Start(_installation, _work!, new CriuWorkerNamespace(inside, read, _overlay is null ? null : _images!.Handle), _terminal, _request.Inherited, _start));
        _overlay?.LinkFiles(inside is null ? _images!.DescriptorPath : CriuWorkerNamespace.LinkedPath(session.Worker));
        session.Apply(_options, read);
        session.RollbackTimeout = RollbackLimit;
        session.SetLogLevel(logLevel);
        _helpers = _pageDaemon is null ? [session.Worker.Identity] : [session.Worker.Identity, _pageDaemon.Identity];
        Guard?.Watch(_helpers);
        return session;
    }

    private void OnNotification(string action, CriuSession session)
    {
        switch (action)
        {
            case "pre-restore":
                _preflight!.RequireWhileCriuWaits();
                _socketPaths = DisposeLater(SocketPaths.Begin(_image, keepOthers: _isInNewNamespace));

                // The root is not always criu's child, and its pid was free just before. In a new namespace it ends with the init.
                Guard?.Watch(_isInNewNamespace ? _helpers : [.. _helpers, new ProcessIdentity(_image.RootProcessId, session.Worker.Identity.StartTimeTicks)]);
                break;
            case "post-restore" when _request.Restored is { } restored:
                // The last notification that criu lets itself be refused: it only logs a failure of pre-resume, and then resumes.
                restored(new HeldTree(FindRoot(session), _image.Path, () => !session.Worker.WaitForEnd(TimeSpan.Zero)));
                session.IsPastCancellation = true;
                break;
            case "pre-resume":
                _request.Resuming?.Invoke();
                PrepareResume(session);
                break;
            case "post-resume":
                _ownGuard?.Dispose();
                break;
        }
    }

    private CracRestoredProcess Complete(int rootId, TimeSpan time)
    {
        if (_init is null)
        {
            _request.Guard?.Watch(rootId);
            CracLazyPages? pages = _pageDaemon?.Watch(() => RestoredTree.Kill(rootId, _restoredProcesses));
            return new CracRestoredProcess(_image, rootId, time, _request.AsChild) { Warnings = _warnings, Findings = _preflight!.Findings, LazyPages = pages };
        }

        NamespaceInitProcess init = _init;
        int id = _rootId!.Value;
        _request.Guard?.Watch(id);
        init.Keep();
        return new CracRestoredProcess(_image, id, time, init)
        {
            Warnings = _warnings,
            Findings = _preflight!.Findings,
            LazyPages = _pageDaemon?.Watch(() => RestoredTree.Kill(init.ProcessId, _restoredProcesses)),
        };
    }

    // What gives the caller the exit code is not a failure: a short program may be at its end.
    private void RequireRunning()
    {
        if (_rootHandle is null || _request.AsChild || !LibC.WaitReadable(_rootHandle, HasParentDeathSignal ? SignalMilliseconds : 0))
        {
            return;
        }

        throw new CracException(
            CracReason.ProcessGone,
            HasParentDeathSignal
                ? "The restored process ended at once, by the signal that it gets when its parent ends (PR_SET_PDEATHSIG)."
                : "The restored process ended as soon as it ran.",
            HasParentDeathSignal ? "Give -Wait or -PidNamespace New." : "Give -Wait, which returns its exit code.");
    }

    private Exception Explain(CriuSession session)
    {
        // criu kills what it restored when it fails, but cannot reap a root that is a child of this process. In a new pid namespace
        // everything ends with its first process.
        IReadOnlyList<int> alive = !_isInNewNamespace && (session.WorkerDied || _request.AsChild) ? OrphanedTasks.Kill(_image, session.Worker) : [];

        // A blocker that the preflight found explains more than criu's failure.
        Exception failure = (_cancellation.IsCancellationRequested ? null : _preflight!.Blocker)
            ?? session.Failure(CracOperation.Restore, _cancellation, () => OrphanedTasks.Describe(alive));

        if (session.WorkerDied)
        {
            // A cancelled restore loses nothing, so that no further failure is reported.
            _cancellation.ThrowIfCancellationRequested();
        }

        return failure;
    }

    private WorkerStart ChooseStart()
    {
        CracImageProcess root = _image.Processes[0];
        bool joinsSession = root.SessionId != root.ProcessId && _options.ShellJob == true;
        WorkerStart start = joinsSession && ExternalTerminals.Find(_image).Count == 0 ? WorkerStart.OwnSession : WorkerStart.Usual;
        return _request.AsChild && _parentDeathSignals.Value.Count > 0 ? start | WorkerStart.OfFirstThread : start;
    }

    // criu rolls back when its socket is closed, but not while a script runs, nor where locks are taken again; the page daemon waits
    // for criu without limit, and tasks whose criu was killed as well stay for good.
    private bool CanOutliveSession() =>
        _request.Restored is not null || _options.LazyPages || _options.Has("action-script") || RestoredLocks.AreIn(_image) || CriuConfigFile.FilesInEffect().Count > 0;

    private CriuWorker StartWorker()
    {
        HashSet<int> needed = RequiredIds();
        CriuWorker worker = CriuSession.StartWorker(_installation, _terminal, _request.Inherited, _start);
        while (needed.Contains(worker.ProcessId))
        {
            // The worker was given one of the tree's pids, and keeps it until another worker with another pid runs.
            using CriuWorker inTheWay = worker;
            worker = CriuSession.StartWorker(_installation, _terminal, _request.Inherited, _start);
        }

        return worker;
    }

    private HashSet<int> RequiredIds() => [.. PidRule.FindRequiredIds(_image).Select(static needed => needed.Id)];

    // Most restores replace no files; then the image's tables need not be read here.
    private FileEdits EditFiles()
    {
        bool mayLackTerminal = _options.ShellJob == true && _terminal is null && !_start.HasFlag(WorkerStart.OwnSession);
        FileEdits edits = _request.Files.IsEmpty && !mayLackTerminal && !RemovedFolders.FindPresent(_image).Any() ? new FileEdits() : FileEditPlan.Create(_image, _request.Files, _terminal is not null, out _warnings);
        if (_isInNewNamespace)
        {
            // The root's parent is criu, then the namespace's init, whose end ends the root in any case.
            edits.WithoutParentDeathSignal.UnionWith(_parentDeathSignals.Value.Select(static found => found.FileName));
        }

        return edits;
    }

    private void PrepareResume(CriuSession session)
    {
        // Read now, while the root exists but does not run yet: it may end as soon as it runs.
        _rootId = FindRoot(session);
        _rootHandle = OpenRoot(_rootId);
        _warnings = [.. _warnings, .. RestoredAttributes.Apply(_image, _rootId), .. RestoredLocks.TakeMissing(_image, _rootId, session.Worker.ProcessId), .. _socketPaths!.Complete()];
        if (_pageDaemon is not null)
        {
            _restoredProcesses = _rootId is { } root ? RestoredTree.Read(root) : [];
            _pageDaemon.RequireAlive();
            _pageDaemon.Arm(_init is null ? _restoredProcesses : [ProcessIdentity.TryRead(_init.ProcessId) ?? default, .. _restoredProcesses]);
        }

        Report(CracPhase.Resuming);
    }

    // An image with the first process of a pid namespace has that namespace's pids, which mean other processes here.
    private int? FindRoot(CriuSession session) => _isInNewNamespace || _image.ProcessIds.Contains(1)
        ? RestorePlacement.FindByInnerId(session.Worker.ProcessId, _image.RootProcessId)
        : _image.RootProcessId;

    // criu waits for the answer, and ends what it has restored where there is no root. In a pid namespace that criu itself made, a root
    // that is a child of this process is not found.
    private SafeFileHandle? OpenRoot(int? root)
    {
        if (root is null && !_isInNewNamespace)
        {
            return null;
        }

        SafeFileHandle handle = LibC.OpenPidFd(root ?? 0, out Errno errno);
        if (errno == 0)
        {
            return DisposeLater(handle);
        }

        handle.Dispose();
        throw new CracException(
            CracReason.ProcessGone, $"criu restored a tree that has no process {_image.RootProcessId}, the root of the image.", "Run Test-CracImage -Full on the image.");
    }

    private string? ComposeConfig()
    {
        string? config = CriuConfigFile.Compose(_options);
        if (_isInNewNamespace)
        {
            config += CriuWorkerNamespace.Configuration;
        }
        else if (_request.AsChild)
        {
            config += "restore-sibling\n";
        }

        if (!Environment.IsPrivilegedProcess && !_options.Has("unprivileged"))
        {
            // Without it, criu starts only as root.
            config += "unprivileged\n";
        }

        return config;
    }

    // criu gives a restored shell job the terminal that is its own standard input.
    private static SafeFileHandle? OpenTerminal()
    {
        SafeFileHandle terminal = LibC.Open("/dev/tty", LibC.O_RDWR | LibC.O_NOCTTY, out Errno errno);
        if (errno == 0)
        {
            return terminal;
        }

        terminal.Dispose();
        return null;
    }

    private void Report(CracPhase phase) => _progress?.Report(new CracProgress(phase, 0, 0));

    private T DisposeLater<T>(T opened)
        where T : IDisposable
    {
        _opened.Push(opened);
        return opened;
    }

    private T? DisposeLaterIfAny<T>(T? opened)
        where T : class, IDisposable => opened is null ? null : DisposeLater(opened);
}
