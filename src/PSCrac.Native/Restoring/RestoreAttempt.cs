using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.PidNamespaces;
using PSCrac.Preflight.ImageRules;
using PSCrac.Preflight.Subjects;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>
/// One attempt at a restore, a step a method: prepare (trust, wholeness), place (whose pids), start criu, answer its
/// notifications, and complete, or explain. What a step opens is closed with the attempt, the last first.
/// </summary>
internal sealed class RestoreAttempt : IDisposable
{

    // Only scripts of the user's and page daemons can keep a restore from noticing that it was cancelled.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    private readonly RestoreRequest _request;
    private readonly IProgress<CracProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly CriuInstallation _installation;
    private readonly RestoreOptions _options;
    private readonly CracImage _image;
    private readonly Stack<IDisposable> _opened = new();
    private SafeFileHandle? _terminal;
    private CriuWorker? _early;
    private SafeFileHandle _images = LibC.NoDescriptor;
    private bool _isNew;
    private BackgroundPreflight? _look;
    private CriuWorkDirectory? _work;
    private ImageOverlay? _overlay;
    private PageDaemon? _pageDaemon;
    private SessionGuard? _ownGuard;
    private NamespaceInitProcess? _init;
    private ProcessIdentity[] _helpers = [];
    private IReadOnlyList<string> _warnings = [];
    private int? _rootId;
    private IReadOnlyList<ProcessIdentity> _made = [];

    internal RestoreAttempt(RestoreRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        _request = request;
        _image = request.Image;
        _progress = progress;
        _cancellation = cancellation;
        _installation = CriuInstallation.Locate(request.CriuPath);
        _options = request.Options.WithDefaults(request.Image.Options);
    }

    private SessionGuard? Guard => _request.Guard ?? _ownGuard;

    /// <summary>Makes the attempt.</summary>
    /// <param name="logLevel">How much criu writes to its log.</param>
    internal CracRestoredProcess Run(int logLevel)
    {
        Report(CracPhase.Preparing);
        RestoreReadahead readahead = Prepare();
        Place(readahead);
        CriuSession session = StartCriu(logLevel);
        session.Notified = (action, _) => OnNotification(action, session);
        _pageDaemon?.WaitUntilReady(_cancellation);
        long start = Stopwatch.GetTimestamp();
        Report(CracPhase.Restoring);
        int result = session.Run(CriuRequest.Restore, _cancellation);
        return result > 0 ? Complete(result, Stopwatch.GetElapsedTime(start)) : throw Explain(session);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        while (_opened.TryPop(out IDisposable? opened))
        {
            opened.Dispose();
        }
    }

    private RestoreReadahead Prepare()
    {
        Keep(BreakpointPreparation.Begin());
        _terminal = _options.ShellJob == true ? KeepAny(OpenTerminal()) : null;

        // It gets ready while the image is looked at.
        _early = RestorePlacement.Choose(_request.PidNamespace, _image) == CracPidNamespace.Host ? Keep(StartWorker()) : null;

        // Whom the folder belongs to is asked of the descriptor that criu then reads from.
        ImageTrust trust = Keep(ImageTrust.Examine(_image.Path));
        _images = RestorePreflight.RequireTrusted(trust, _request.SkipTrustCheck);
        RestorableImage.RequireSole(_image, _images);
        RestoreReadahead readahead = Keep(RestoreReadahead.Begin(_images, _image, withPages: !_options.LazyPages));
        RestorableImage.RequireComplete(_image);
        return readahead;
    }

    private void Place(RestoreReadahead readahead)
    {
        Report(CracPhase.WaitingForPids);
        _isNew = RestorePlacement.WantsNewNamespace(_request, _cancellation);
        Report(CracPhase.Preparing);
        _work = Keep(CriuWorkDirectory.Create($"{CracOperation.Restore.Name}-{_image.RootProcessId}", ComposeConfig()));
        FileEdits edits = EditFiles();
        _look = Keep(BackgroundPreflight.Start(() => RestorePreflight.RequirePossible(_request, _options, _installation, _isNew, edits)));
        _ = readahead.ContinueAfter(_look.Over);
        if (_isNew || _options.LazyPages)
        {
            // Nothing is started for a tree that cannot come.
            _look.Require();
        }

        _overlay = edits.IsEmpty ? null : Keep(ImageOverlay.Create(_image, _work.DirectoryPath, edits));
    }

    private CriuSession StartCriu(int logLevel)
    {
        SafeFileHandle read = _overlay?.Handle ?? _images;
        _pageDaemon = _options.LazyPages ? Keep(PageDaemon.Start(_installation, read, _work!.Handle)) : null;
        _ownGuard = _request.Guard is null && MayOutliveUs() ? KeepAny(SessionGuard.TryStart()) : null;
        _init = _isNew ? Keep(NamespaceInitProcess.Start(_image.ThreadIds, _image.RootProcessId, _cancellation)) : null;
        PidNamespace? inside = KeepAny(_init?.OpenNamespace());
        CriuSession session = Keep(inside is null
            ? CriuSession.Start(_installation, _work!, _early ?? StartWorker(), _request.Inherited)
            : CriuSession.Start(_installation, _work!, new CriuWorkerNamespace(inside, read), _terminal, _request.Inherited));
        session.Apply(_options, read);
        session.RollbackTimeout = Grace;
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
                _look!.RequireWhileCriuWaits();

                // The root is not always criu's child, and its pid was free a moment ago. In a new namespace it ends with the init.
                Guard?.Watch(_isNew ? _helpers : [.. _helpers, new ProcessIdentity(_image.RootProcessId, session.Worker.Identity.StartTimeTicks)]);
                break;
            case "pre-resume":
                BeforeResume(session);
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
            CracLazyPages? pages = _pageDaemon?.Watch(() => RestoredTree.Kill(rootId, _made));
            return new CracRestoredProcess(_image, rootId, time, _request.AsChild) { Warnings = _warnings, Findings = _look!.Findings, LazyPages = pages };
        }

        NamespaceInitProcess init = _init;
        int id = _rootId ?? RestorePlacement.FindByInnerId(init.ProcessId, _image.RootProcessId) ?? 0;
        _request.Guard?.Watch(id);
        init.Keep();
        return new CracRestoredProcess(_image, id, time, init)
        {
            Warnings = _warnings,
            Findings = _look!.Findings,
            LazyPages = _pageDaemon?.Watch(() => RestoredTree.Kill(init.ProcessId, _made)),
        };
    }

    private Exception Explain(CriuSession session)
    {
        // What stands in the way says more than how criu stumbled over it.
        Exception failure = (_cancellation.IsCancellationRequested ? null : _look!.Blocker) ?? session.Failure(CracOperation.Restore, _cancellation);
        if (!_isNew && (session.WorkerDied || _request.AsChild))
        {
            // criu ends what it made when it fails, but cannot reap a root that is our child.
            OrphanedTasks.Kill(_image, session.Worker);
        }

        if (session.WorkerDied)
        {
            // Nothing is lost by ending a restore: that it was cancelled is then all there is to say.
            _cancellation.ThrowIfCancellationRequested();
        }

        return failure;
    }

    // criu rolls back when it cannot ask us any more, but not while a script keeps it; and the page daemon waits for a criu for ever.
    private bool MayOutliveUs() =>
        _options.LazyPages || _options.Has("action-script") || CriuConfigFile.FilesInEffect().Count > 0;

    private CriuWorker StartWorker()
    {
        HashSet<int> needed = [.. PidRule.FindRequiredIds(_image).Select(static needed => needed.Id)];
        CriuWorker worker = CriuSession.StartWorker(_installation, _terminal, _request.Inherited);
        while (needed.Contains(worker.ProcessId))
        {
            // Of all pids it was given one of the tree's, and keeps it until another worker has another one.
            using CriuWorker inTheWay = worker;
            worker = CriuSession.StartWorker(_installation, _terminal, _request.Inherited);
        }

        return worker;
    }

    // Most restores want no other files; then the image's tables need not be read here at all.
    private FileEdits EditFiles()
    {
        bool mayLackTerminal = _options.ShellJob == true && _terminal is null;
        return _request.Files.IsEmpty && !mayLackTerminal ? new FileEdits() : FileEditPlan.Make(_image, _request.Files, _terminal is not null, out _warnings);
    }

    private void BeforeResume(CriuSession session)
    {
        // Asked now, while the root is there but does not run yet: it may end as soon as it does.
        _rootId = _isNew ? RestorePlacement.FindByInnerId(session.Worker.ProcessId, _image.RootProcessId) : null;
        int? root = _image.ProcessIds.Contains(1) ? RestorePlacement.FindByInnerId(session.Worker.ProcessId, _image.RootProcessId)
            : _isNew ? _rootId
            : _image.RootProcessId;
        _warnings = [.. _warnings, .. RestoredAttributes.Apply(_image, root)];
        if (_pageDaemon is not null)
        {
            _made = RestoredTree.Read(_rootId ?? _image.RootProcessId);
            _pageDaemon.RequireAlive();
        }

        Report(CracPhase.Resuming);
    }

    private string? ComposeConfig()
    {
        string? config = CriuConfigFile.Compose(_options);
        if (_isNew)
        {
            config += CriuWorkerNamespace.Configuration;
        }
        else if (_request.AsChild)
        {
            config += "restore-sibling\n";
        }

        if (!Environment.IsPrivilegedProcess && !_options.Has("unprivileged"))
        {
            // criu starts for no other user than root without it.
            config += "unprivileged\n";
        }

        return config;
    }

    // criu gives a restored shell job the terminal that it has itself as standard input.
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

    private T Keep<T>(T opened)
        where T : IDisposable
    {
        _opened.Push(opened);
        return opened;
    }

    private T? KeepAny<T>(T? opened)
        where T : class, IDisposable => opened is null ? null : Keep(opened);
}
