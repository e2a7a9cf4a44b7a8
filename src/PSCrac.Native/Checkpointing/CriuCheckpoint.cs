using Microsoft.Win32.SafeHandles;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Manifest;
using PSCrac.Images.Operations;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.PidNamespaces;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Staging;

namespace PSCrac.Checkpointing;

/// <summary>
/// A checkpoint by criu: stage, dump, seal, commit. criu kills the tree only after its post-dump notification is answered. The
/// image is sealed and committed in that notification, so that any failure before it leaves the process running and the target
/// unchanged.
/// </summary>
internal sealed class CriuCheckpoint
{
    private const int KillTimeoutMilliseconds = 1000;
    private const string ImageLogName = "dump.log";
    private const uint PrivateFile = 0x180; // 0600

    private readonly CheckpointRequest _request;
    private readonly IProgress<CracProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly CriuInstallation _installation;
    private readonly ProcessTree _tree;
    private readonly CheckpointPlan _plan;
    private readonly DumpedTree _before;

    // Started before the preflight, which takes about as long as criu needs to start; null where criu runs in another namespace.
    private readonly CriuWorker? _worker;

    // The root's pid in the pid namespace that the worker runs in.
    private readonly int _innerId;
    private readonly bool _isInPidNamespace;
    private readonly IReadOnlyList<string> _configurationFiles = CriuConfigFile.FilesInEffect();
    private volatile CracPhase _phase = CracPhase.Preparing;
    private ProcessTree? _frozenTree;
    private bool _sealed;
    private bool _isIrrevocable;
    private readonly List<string> _warnings = [];
    private HelperLinks? _links;
    private SessionGuard? _stopGuard;
    private QueuedStop? _stop;

    private CriuCheckpoint(CheckpointRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        _request = request;
        _progress = progress;
        _cancellation = cancellation;
        _tree = ProcessTree.Read(request.ProcessId);
        RequireEligible();
        RequireParentImage();
        _isInPidNamespace = IsInOtherPidNamespace(_tree.Root.Status);
        _innerId = _isInPidNamespace ? _tree.Root.Status.InnermostProcessId : request.ProcessId;
        _installation = CriuInstallation.Locate(request.CriuPath);
        _worker = _isInPidNamespace ? null : CriuSession.StartWorker(_installation);
        try
        {
            _plan = CheckpointPlan.Create(request);
            _before = new DumpedTree(_tree);
        }
        catch
        {
            _worker?.Dispose();
            throw;
        }
    }

    /// <summary>Checkpoints a process tree, as <see cref="Checkpoint.Run"/> does. Does not wait until its pids are free.</summary>
    /// <param name="request">The process, the image's path and the options.</param>
    /// <param name="progress">Receives the phases and the number of bytes written; null for no reports.</param>
    /// <param name="cancellation">Makes criu roll back.</param>
    /// <param name="tree">The tree as it was before the checkpoint.</param>
    internal static CheckpointResult Run(CheckpointRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation, out ProcessTree tree)
    {
        using var prepared = BreakpointPreparation.Begin();
        var checkpoint = new CriuCheckpoint(request, progress, cancellation);
        using CriuWorker? worker = checkpoint._worker;
        tree = checkpoint._tree;
        return checkpoint.Run();
    }

    private CheckpointResult Run()
    {
        Report(CracPhase.Preparing);
        string? config = CriuConfigFile.Compose(_plan.Options);
        config = _isInPidNamespace ? config + CriuWorkerNamespace.Configuration : config;
        using ImageStaging staging = ImageStaging.Create(_request.ImagePath, _request.Force, _plan.Watched);
        IReadOnlyList<ImageManifestOutsideFile> replacedLinks = _request.Force ? ImageRemoval.ReadHelperLinks(staging.TargetPath) : [];
        string? replaced;
        try
        {
            using CriuWorkDirectory work = CriuWorkDirectory.Create($"{CracOperation.Checkpoint.Name}-{_request.ProcessId}", config, _plan.Watched);
            Dump(staging, work);
            replaced = staging.Finish();
            ImageRemoval.RemoveHelperLinks(replacedLinks);
            MoveLogAndStatistics(work, staging.Folder);
        }
        catch when (!_isIrrevocable)
        {
            _links?.Remove();
            staging.RollBack();
            throw;
        }

        return new CheckpointResult(staging.OpenImage(), [], _plan.Choices, _plan.Findings, _configurationFiles, replaced) { Warnings = _warnings };
    }

    private void Dump(ImageStaging staging, CriuWorkDirectory work)
    {
        using PidNamespace? inside = _isInPidNamespace ? OpenNamespace() : null;
        using CriuSession session = inside is null
            ? CriuSession.Start(_installation, work, _worker!)
            : CriuSession.Start(_installation, work, new CriuWorkerNamespace(inside, staging.Folder.Handle));
        session.Apply(_plan.Options, staging.Folder.Handle);
        session.SetRoot(_innerId);
        session.SetLogLevel(CriuSession.Information);
        var describing = new Task<ImageManifest>(DescribeImage);
        session.Begun = describing.RunSynchronously;
        session.Notified = (action, _) => OnNotification(action, session, staging, describing);
        if (_progress is not null)
        {
            session.Polled = () => ReportGrowth(_sealed ? 0 : staging.WrittenBytes());
        }

        FrozenCgroup cgroup = FrozenCgroup.Read(_plan.Options.TextOf("freeze-cgroup"));
        using SessionGuard? guard = RunsScripts() ? SessionGuard.TryStart() : null;
        guard?.WatchPrograms(session.Worker.Identity);
        using SessionGuard? stopGuard = _stopGuard = _request.Sealed is null ? null : SessionGuard.TryStart();
        int result = session.Run(CriuRequest.Dump, _cancellation);
        if (result < 0)
        {
            // Checked first: what follows takes time, in which processes of the tree may end by themselves.
            _isIrrevocable = session.WorkerDied && HasKilledSome();
            if (session.WorkerDied && !_isIrrevocable)
            {
                foreach (ProcessTreeMember member in _tree.Members)
                {
                    TcpRepair.End(member.Status.Identity);
                }

                NetworkLockRules.Remove(_request.ProcessId, _innerId, work.Folder, CriuWorkDirectory.LogName);
            }

            if (_isIrrevocable && _isInPidNamespace && SpinWait.SpinUntil(HasKilledAll, KillTimeoutMilliseconds))
            {
                // The first process of the namespace ended with the tree, and the kernel then killed all processes in it, criu too.
                return;
            }

            if (session.WorkerDied)
            {
                cgroup.Thaw();
            }

            if (!_isIrrevocable)
            {
                _stop?.Undo();
            }

            // What is left of a tree that was to be killed must not continue.
            Exception failure = session.Failure(CracOperation.Checkpoint, _cancellation, _isIrrevocable ? null : () => _before.Examine(work.ReadStopped()));
            if (_isIrrevocable)
            {
                throw WorkerDiedWhileKilling(staging, work, failure);
            }

            bool endedByItself = !session.WasKilled && !session.Worker.WasSignalled;
            throw _before.ExplainByEnd(failure, endedByItself, work.ReadStopped) ?? failure;
        }

        // The tree has been killed: the image is all that is left of it, and no failure may remove it.
        _isIrrevocable = true;
        if (!_sealed)
        {
            Seal(staging, describing.GetAwaiter().GetResult());
        }
    }

    // criu rolls back when its socket is closed, but not while a script runs.
    private bool RunsScripts() => _plan.Options.Has("action-script") || _configurationFiles.Count > 0;

    // A criu that is killed after the image was sealed may already have killed a part of the tree.
    private bool HasKilledSome() =>
        _sealed && !_plan.Options.LeaveRunning && _frozenTree!.Members.Any(static member => !member.Status.HasEnded && !DumpedTree.Lives(member.Status.Identity));

    private bool HasKilledAll() => _frozenTree!.Members.All(static member => !member.Status.Identity.IsRunning());

    private CracException WorkerDiedWhileKilling(ImageStaging staging, CriuWorkDirectory work, Exception failure)
    {
        staging.Finish();

        // It names the lock of the connections.
        work.Folder.Copy(CriuWorkDirectory.LogName, staging.Folder, ImageLogName, PrivateFile);
        int[] alive = [.. _frozenTree!.Members.Where(static member => member.Status.Identity.IsRunning()).Select(static member => member.ProcessId)];
        return new CracException(
            CracReason.WorkerDied,
            $"The image at {staging.TargetPath} is whole, but criu was killed while it killed the processes"
                + (alive.Length == 0 ? "." : $": {string.Join(", ", alive)} still run."),
            alive.Length == 0 ? "Restore the image." : $"End what is left with Stop-Process -Id {string.Join(',', alive)} -Force, then restore the image.",
            failure)
        {
            LogPath = (failure as CracException)?.LogPath,
        };
    }

    private void OnNotification(string action, CriuSession session, ImageStaging staging, Task<ImageManifest> describing)
    {
        switch (action)
        {
            case "pre-dump":
                // A failure must come before criu stops the tree, and never once it has killed it.
                describing.GetAwaiter().GetResult();
                Report(CracPhase.Freezing);
                break;
            case "post-dump":
                _frozenTree = ProcessTree.Read(_request.ProcessId);
                Seal(staging, describing.GetAwaiter().GetResult());
                if (_request.Sealed is { } holder)
                {
                    Hold(holder, new HeldTree(_request.ProcessId, staging.TargetPath, () => !session.Worker.WaitForEnd(TimeSpan.Zero)));
                    _stop?.BeginKilling(session.Worker.Identity);
                }

                session.IsPastCancellation = true;
                Report(CracPhase.Finishing);
                break;
        }
    }

    // If criu is killed meanwhile, nothing runs with its connections in criu's repair mode, nor without the processes that criu has killed.
    private void Hold(Action<HeldTree> holder, HeldTree held)
    {
        _stop = _stopGuard is null ? null : new QueuedStop(
            _frozenTree!.Members.Where(static member => member.Status is not { HasEnded: true, ThreadCount: <= 1 }).Select(static member => member.Status.Identity),
            _tree.Members.Where(static member => member.Status.State == ProcessState.Stopped).Select(static member => member.Status.Identity).ToHashSet(),
            _stopGuard);
        try
        {
            holder(held);
        }
        catch when (held.IsHeld())
        {
            _stop?.Undo();
            throw;
        }
    }

    private void Seal(ImageStaging staging, ImageManifest manifest)
    {
        Report(CracPhase.Sealing);
        foreach (int thread in InterruptedCalls.Restart(staging))
        {
            _warnings.Add($"Thread {thread} was in a system call that had been interrupted before: the call fails with EINTR after the restore, which some programs do not expect.");
        }

        if (ParentDeath.Describe(staging, (_frozenTree ?? _tree).Root) is { } warning)
        {
            _warnings.Add(warning);
        }

        if (!_plan.Options.LeaveRunning && !_isIrrevocable && _request.ChooseOptions)
        {
            // The folders above may have changed since they were checked, and the image is all that will be left of the tree.
            staging.RequireSameParent();
            CheckpointPlan.RequireTrustedTarget(_request);
        }

        GhostOrder.Sort(staging);
        if (_plan.Options.FileLocks == true && !_isIrrevocable)
        {
            SharedRecordLocks.Add(staging, _frozenTree ?? _tree);
        }

        // In another mount namespace the files are at paths that lead elsewhere here.
        bool hasSamePaths = !_isInPidNamespace && SharesMountNamespace(_innerId);
        IReadOnlyList<ImageManifestKeptFile> kept = hasSamePaths ? PerformanceCounters.Save(staging, _frozenTree ?? _tree) : [];
        _links = _plan.Options.LinkRemap == true && hasSamePaths ? HelperLinks.Claim(staging) : null;
        ImageManifest complete = manifest with { Warnings = [.. manifest.Warnings, .. _warnings], OutsideFiles = _links?.Files ?? [], KeptFiles = kept };
        try
        {
            // Once the tree has been killed nothing can be cancelled.
            ImageSeal.Commit(staging, complete, sync: !_request.NoSync, _isIrrevocable ? CancellationToken.None : _cancellation);
        }
        catch
        {
            _links?.Release();
            throw;
        }

        _sealed = true;
    }

    private static bool SharesMountNamespace(int processId) =>
        new FileInfo($"/proc/{processId}/ns/mnt").LinkTarget is { } theirs && theirs == new FileInfo("/proc/self/ns/mnt").LinkTarget;

    private ImageManifest DescribeImage()
    {
        ImageManifest described = ImageManifestFactory.Describe(_tree, _isInPidNamespace);
        return described with
        {
            Process = described.Process with { RenamedSockets = _plan.RenamedSockets },
            CriuVersion = _installation.GetVersion().ToString(),
            LeaveRunning = _plan.Options.LeaveRunning,
            Automatic = _plan.Choices,
            Options = _plan.Options.ToNames(),
            ConfigurationFiles = _configurationFiles,
            Warnings = [.. _plan.Findings.Where(static finding => finding.Severity == CracFindingSeverity.Warning).Select(static finding => $"{finding.What}: {finding.Why}")],
            Start = _request.Start,
        };
    }

    private void RequireParentImage()
    {
        if (_request.Options.ParentImage is { } parent && !CracImage.IsImageDirectory(parent))
        {
            throw new CracException(
                CracReason.NotAnImage,
                $"The parent image {parent} is not an image.",
                "Give -ParentImage the path of an image that was made of this process with -TrackMemory and -LeaveRunning.")
            {
                ImagePath = parent,
            };
        }
    }

    private void RequireEligible()
    {
        ProcessStatus root = _tree.Root.Status;
        bool hasEnded = root.HasEnded && _tree.Root.ThreadIds.Count == 1;
        string? why = root.IsKernelThread ? "is a kernel thread"
            : hasEnded ? "has ended, but was not reaped yet"
            : _tree.Contains(Environment.ProcessId) ? "is this PowerShell session, or one of its ancestors"
            : null;
        if (why is not null)
        {
            throw new CracException(
                CracReason.ProcessNotEligible,
                $"Process {_request.ProcessId} ({root.CommandName}) cannot be checkpointed{(root.IsKernelThread || hasEnded ? string.Empty : " from here")}: it {why}.",
                hasEnded || root.IsKernelThread ? "Get-Process lists the processes that run now."
                    : root.ProcessId == 1 ? "Checkpoint one of the processes that it has started, from a session outside that process's tree; or checkpoint a whole container with its engine, such as podman container checkpoint."
                    : "Checkpoint it from a session outside the tree: another terminal, or another login.");
        }
    }

    // criu dumps the first process of a namespace from outside, together with its namespace.
    private static bool IsInOtherPidNamespace(ProcessStatus root) => root.NamespaceProcessIds.Count > 1 && root.InnermostProcessId != 1;

    private PidNamespace OpenNamespace() => PidNamespace.TryOpen(_request.ProcessId, out Errno errno) ?? throw new CracException(
        errno == Errno.ENOENT ? CracReason.ProcessGone : CracReason.PermissionDenied,
        $"The pid namespace of process {_request.ProcessId} cannot be opened: {LibC.Message(errno)}.",
        errno == Errno.ENOENT ? "Get-Process lists the processes that run now." : "Run as root.");

    // criu writes its statistics and the end of its log after the image was sealed. An image is complete without them.
    private static void MoveLogAndStatistics(CriuWorkDirectory work, FolderHandle image)
    {
        Move("stats-dump", "stats-dump");
        Move(CriuWorkDirectory.LogName, ImageLogName);

        void Move(string from, string to)
        {
            if (work.Folder.Move(from, image, to, PrivateFile) == 0)
            {
                image.ChangeMode(to, PrivateFile);
            }
        }
    }

    private void Report(CracPhase phase)
    {
        _phase = phase;
        _progress?.Report(new CracProgress(phase, 0, _tree.AnonymousBytes));
    }

    // criu sends no notification between the freeze and the end of the dump; the first pages show that it writes.
    private void ReportGrowth(long bytes)
    {
        CracPhase phase = _phase == CracPhase.Freezing && bytes > 0 ? CracPhase.Dumping : _phase;
        _progress?.Report(new CracProgress(phase, bytes, _tree.AnonymousBytes));
    }
}
