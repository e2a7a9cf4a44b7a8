using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Manifest;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.PidNamespaces;
using PSCrac.Preflight.ImageRules;
using PSCrac.Preflight.Subjects;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>A restore: wait for the pids, place, thaw.</summary>
public sealed class Restore
{
    private const string Operation = "restore";
    private const int MostTries = 3;

    // Only scripts of the user's and page daemons can keep a restore from noticing that it was cancelled.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(3);

    private readonly RestoreRequest _request;
    private readonly IProgress<CracProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly CriuInstallation _installation;
    private readonly RestoreOptions _options;
    private int? _rootId;
    private IReadOnlyList<ProcessIdentity> _made = [];

    private Restore(RestoreRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        _request = request;
        _progress = progress;
        _cancellation = cancellation;
        _installation = CriuInstallation.Locate(request.CriuPath);
        _options = request.Options.WithDefaults(request.Image.Options);
    }

    /// <summary>Restores a process tree from an image.</summary>
    /// <param name="request">What and how.</param>
    /// <param name="progress">Told of the phases; null for nobody.</param>
    /// <param name="cancellation">Cancelling makes criu end what it has restored so far.</param>
    /// <returns>The restored tree's root, running.</returns>
    /// <exception cref="CracException">It failed, and nothing of the tree runs.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, with the same outcome.</exception>
    public static CracRestoredProcess Run(RestoreRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Options.RequireConsistent();
        cancellation.ThrowIfCancellationRequested();
        int logLevel = CriuSession.Warnings;
        for (int triesLeft = MostTries - 1; ; triesLeft--)
        {
            try
            {
                return new Restore(request, progress, cancellation).Run(logLevel);
            }
            catch (CracException e) when (triesLeft > 0 && WasAlmostFree(e, request, cancellation))
            {
            }
            catch (CracException e) when (logLevel < CriuSession.Debug && MayBeRepeated(e, request))
            {
                logLevel = CriuSession.Debug;
            }
        }
    }

    // A restore that failed leaves nothing, so one that nobody can explain is done once more for what criu says at length;
    // but not where scripts of the user's would run twice, or helper links are used up.
    private static bool MayBeRepeated(CracException failure, RestoreRequest request) =>
        failure is { Reason: CracReason.Unknown, LogPath: not null } && !request.Image.IsOneShot
        && !request.Options.WithDefaults(request.Image.Options).CriuOption.ContainsKey("action-script");

    // From Linux 6.15 on a dead task is out of sight a moment before its pid is given back (release_task in kernel/exit.c),
    // so criu may find a pid taken that nobody has. Its own attempt may leave zombies, which are waited for too.
    private static bool WasAlmostFree(CracException failure, RestoreRequest request, CancellationToken cancellation) =>
        failure is { Reason: CracReason.PidInUse, LogPath: not null }
        && PidVacancy.Wait(request.Image.ThreadIds, request.PidTimeout, PidVacancy.IsZombie, cancellation).Count == 0;

    private CracRestoredProcess Run(int logLevel)
    {
        CracImage image = _request.Image;
        Report(CracPhase.Preparing);
        using var breakpoints = BreakpointPreparation.Begin();
        using SafeFileHandle? terminal = _options.ShellJob == true ? OpenTerminal() : null;

        // It gets ready while the image is looked at.
        using CriuWorker? early = RestorePlacement.Choose(_request.PidNamespace, image) == CracPidNamespace.Host ? StartWorker(terminal) : null;

        // Whom the folder belongs to is asked of the descriptor that criu then reads from.
        using var trust = ImageTrust.Examine(image.Path);
        SafeFileHandle images = RestorePreflight.RequireTrusted(image, trust, _request.SkipTrustCheck);
        RequireSole(image, images);
        using var readahead = RestoreReadahead.Begin(images, image, withPages: !_options.LazyPages);
        RequireComplete(image);
        Report(CracPhase.WaitingForPids);
        bool isNew = RestorePlacement.WantsNewNamespace(_request, _cancellation);
        Report(CracPhase.Preparing);
        string? config = ComposeConfig(isNew);
        using CriuWorkDirectory work = CriuWorkDirectory.Create($"{Operation}-{image.RootProcessId}", config);
        FileEdits edits = EditFiles(image, terminal is not null, out IReadOnlyList<string> warnings);
        using var look = RestoreLook.Start(() => RestorePreflight.RequirePossible(_request, _options, _installation, isNew, edits));
        _ = readahead.ContinueAfter(look.Over);
        if (isNew || _options.LazyPages)
        {
            // Nothing is started for a tree that cannot come.
            look.Require();
        }

        using ImageOverlay? overlay = edits.IsEmpty ? null : ImageOverlay.Create(image, work.DirectoryPath, edits);
        SafeFileHandle read = overlay?.Handle ?? images;
        using PageDaemon? pageDaemon = _options.LazyPages ? PageDaemon.Start(_installation, read, work.Handle) : null;
        using SessionGuard? ownGuard = _request.Guard is null && MayOutliveUs() ? SessionGuard.TryStart() : null;
        SessionGuard? guard = _request.Guard ?? ownGuard;
        using NamespaceInit? init = isNew ? NamespaceInit.Start(image.ThreadIds, image.RootProcessId, _cancellation) : null;
        using PidNamespace? inside = init?.OpenNamespace();
        using CriuSession session = inside is null
            ? CriuSession.Start(_installation, work, early ?? StartWorker(terminal), _request.Inherited)
            : CriuSession.Start(_installation, work, new CriuPlace(inside, read), terminal, _request.Inherited);
        session.Apply(_options, read);
        session.Grace = Grace;
        session.SetLogLevel(logLevel);
        ProcessIdentity[] helpers = pageDaemon is null ? [session.Worker.Identity] : [session.Worker.Identity, pageDaemon.Identity];
        guard?.Watch(helpers);
        session.Notified = (action, _) =>
        {
            if (action == "pre-restore")
            {
                look.RequireWhileCriuWaits();

                // The root is not always criu's child, and its pid was free a moment ago. In a new namespace it ends with the init.
                guard?.Watch(isNew ? helpers : [.. helpers, new ProcessIdentity(image.RootProcessId, session.Worker.Identity.StartTimeTicks)]);
            }
            else if (action == "pre-resume")
            {
                BeforeResume(session, isNew, pageDaemon);
            }
            else if (action == "post-resume")
            {
                ownGuard?.Dispose();
            }
        };
        pageDaemon?.WaitUntilReady(_cancellation);
        long start = Stopwatch.GetTimestamp();
        Report(CracPhase.Restoring);
        int result = session.Run(CriuRequest.Restore, _cancellation);
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        if (result <= 0)
        {
            // What stands in the way says more than how criu stumbled over it.
            Exception failure = (_cancellation.IsCancellationRequested ? null : look.Blocker) ?? session.Failure(Operation, image.RootProcessId, image.Path, _cancellation);
            if (!isNew && (session.WorkerDied || _request.AsChild))
            {
                // criu ends what it made when it fails, but cannot reap a root that is our child.
                HalfRestored.Kill(image, session.Worker);
            }

            if (session.WorkerDied)
            {
                // Nothing is lost by ending a restore: that it was cancelled is then all there is to say.
                _cancellation.ThrowIfCancellationRequested();
            }

            throw failure;
        }

        if (init is null)
        {
            _request.Guard?.Watch(result);
            CracLazyPages? pages = pageDaemon?.Watch(() => RestoredTree.Kill(result, _made));
            return new CracRestoredProcess(image, result, time, _request.AsChild) { Warnings = warnings, Findings = look.Findings, LazyPages = pages };
        }

        int id = _rootId ?? RestorePlacement.FindByInnerId(init.ProcessId, image.RootProcessId) ?? 0;
        _request.Guard?.Watch(id);
        init.Keep();
        return new CracRestoredProcess(image, id, time, init)
        {
            Warnings = warnings,
            Findings = look.Findings,
            LazyPages = pageDaemon?.Watch(() => RestoredTree.Kill(init.ProcessId, _made)),
        };
    }

    // criu rolls back when it cannot ask us any more, but not while a script keeps it; and the page daemon waits for a criu for ever.
    private bool MayOutliveUs() =>
        _options.LazyPages || _options.CriuOption.ContainsKey("action-script") || CriuConfigFile.FilesInEffect().Count > 0;

    private CriuWorker StartWorker(SafeFileHandle? terminal)
    {
        HashSet<int> needed = [.. PidRule.Needed(_request.Image).Select(static needed => needed.Id)];
        CriuWorker worker = CriuSession.StartWorker(_installation, terminal, _request.Inherited);
        while (needed.Contains(worker.ProcessId))
        {
            // Of all pids it was given one of the tree's, and keeps it until another worker has another one.
            using CriuWorker inTheWay = worker;
            worker = CriuSession.StartWorker(_installation, terminal, _request.Inherited);
        }

        return worker;
    }

    // Most restores want no other files; then the image's tables need not be read here at all.
    private FileEdits EditFiles(CracImage image, bool hasTerminal, out IReadOnlyList<string> warnings)
    {
        bool mayLackTerminal = _options.ShellJob == true && !hasTerminal;
        warnings = [];
        return _request.Files.IsEmpty && !mayLackTerminal ? new FileEdits() : FileEditPlan.Make(image, _request.Files, hasTerminal, out warnings);
    }

    private void BeforeResume(CriuSession session, bool isNew, PageDaemon? pageDaemon)
    {
        // Asked now, while the root is there but does not run yet: it may end as soon as it does.
        _rootId = isNew ? RestorePlacement.FindByInnerId(session.Worker.ProcessId, _request.Image.RootProcessId) : null;
        if (pageDaemon is not null)
        {
            _made = RestoredTree.Read(_rootId ?? _request.Image.RootProcessId);
            pageDaemon.RequireAlive();
        }

        Report(CracPhase.Resuming);
    }

    private string? ComposeConfig(bool isNew)
    {
        // libcriu has no setters for these two (facts of criu 4.2's lib/c/criu.h).
        string? config = CriuConfigFile.Compose(_options.CriuOption);
        if (isNew)
        {
            config += CriuPlace.Configuration;
        }
        else if (_request.AsChild)
        {
            config += "restore-sibling\n";
        }

        if (!Environment.IsPrivilegedProcess && !_options.CriuOption.ContainsKey("unprivileged"))
        {
            // criu starts for no other user than root without it.
            config += "unprivileged\n";
        }

        if (_options.LazyPages)
        {
            config += "lazy-pages\n";
        }

        return config;
    }

    // Two at once would both find the helper links, and one would use them up under the other. The lock goes with the handle.
    private static void RequireSole(CracImage image, SafeFileHandle directory)
    {
        if (image.IsOneShot && LibC.TryLock(directory) == Errno.EAGAIN)
        {
            throw new CracException(
                CracReason.ImageConsumed,
                $"The image {image.Path} is being restored by another session, and it can be restored once.",
                "Make a checkpoint for each restore that is wanted.")
            {
                Operation = Operation,
                ImagePath = image.Path,
            };
        }
    }

    // Looked at before criu starts, which crashes where files are missing, and reads on for ever where pages are.
    private static void RequireComplete(CracImage image)
    {
        if (image.Manifest is not { } manifest)
        {
            if (!image.IsRestorable(out string? missing))
            {
                throw Damaged(image, CracReason.ImageIncomplete, missing, "is missing or cut short");
            }

            return;
        }

        var found = new Dictionary<string, ImageManifestFile>(StringComparer.Ordinal);
        foreach (ImageManifestFile file in ImageManifest.Describe(image.Path))
        {
            found[file.Name] = file;
        }

        foreach (ImageManifestFile expected in manifest.Files)
        {
            found.Remove(expected.Name, out ImageManifestFile? file);
            (CracReason reason, string what)? damage = file is null ? (CracReason.ImageIncomplete, "is missing")
                : file.Size != expected.Size ? (CracReason.ImageIncomplete, $"has {file.Size} bytes where {expected.Size} were written")
                : expected.Sha256 is not null && file.Sha256 != expected.Sha256 ? (CracReason.ImageCorrupt, "does not hold what was written")
                : null;
            if (damage is var (reason, what))
            {
                throw Damaged(image, reason, expected.Name, what);
            }
        }

        // criu looks for its files by their names, and would take one in that was never part of the image.
        if (found.Keys.FirstOrDefault(static name => name.EndsWith(".img", StringComparison.Ordinal)) is { } added)
        {
            throw Damaged(image, CracReason.ImageCorrupt, added, "was added after it had been made", $"Remove it: Remove-Item -LiteralPath '{System.IO.Path.Combine(image.Path, added)}'");
        }
    }

    private static CracException Damaged(CracImage image, CracReason reason, string file, string what, string? advice = null) => new(
        reason,
        $"The image {image.Path} is damaged: its file {file} {what}.",
        advice ?? "Copy the image again with all of its files, or make a new one with Invoke-CracCheckpoint.")
    {
        Operation = Operation,
        ImagePath = image.Path,
        FileName = file,
    };

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
}
