using System.Diagnostics;
using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Images.Manifest;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Processes;
using PSCrac.Restoring;
using PSCrac.Running;
using PSCrac.Staging;
using PSCrac.Starting.Fingerprints;

namespace PSCrac.Starting;

/// <summary>The start operation: restore where there is an image; otherwise launch, wait until ready, warm up and checkpoint.</summary>
internal sealed class StartOperation
{
    private static readonly string[] s_checkpointOnlyParameters =
    [
        "-CriuOption",
        .. OptionTable.Rows.Where(static row => row.ParameterScope.HasFlag(OptionScope.Checkpoint) && row != OptionTable.LeaveRunning && row != OptionTable.Compress && !row.IsReserved)
            .Select(static row => $"-{row.Parameter}"),
    ];

    private static readonly TimeSpan SettleTimeout = TimeSpan.FromSeconds(5);

    private readonly StartRequest _request;
    private readonly IProgress<CracProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly Action<CracStartedProcess>? _started;
    private readonly List<string> _warnings = [];
    private readonly List<string> _decisions = [];
    private bool _replace;
    private int? _processId;

    private StartOperation(
        StartRequest request, IProgress<CracProgress>? progress, Action<CracStartedProcess>? started, CancellationToken cancellation)
    {
        _started = started;
        _request = request;
        _progress = progress;
        _cancellation = cancellation;
        _replace = request.Force;
    }

    /// <summary>Starts a program.</summary>
    /// <param name="request">The program and the options.</param>
    /// <param name="progress">Receives the phases; null for no reports.</param>
    /// <param name="started">Called with each process as soon as it runs, before it is ready; null for none.</param>
    /// <param name="cancellation">Cancelling ends the program and rolls back its checkpoint.</param>
    /// <returns>The program: running, or ended by its checkpoint.</returns>
    /// <exception cref="CracException">It failed, and the program was ended.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, and the program was ended.</exception>
    internal static StartResult Run(
        StartRequest request,
        IProgress<CracProgress>? progress = null,
        Action<CracStartedProcess>? started = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellation.ThrowIfCancellationRequested();
        var operation = new StartOperation(request, progress, started, cancellation);
        try
        {
            return operation.Run();
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Start, operation._processId, request.ImagePath);
            throw;
        }
    }

    private StartResult Run()
    {
        RequireConsistent();
        if (_request.ImagePath is { } path)
        {
            ImageStaging.RequireFree(path, _request.Force || _request.OrRestore);
            CriuInstallation.Locate(_request.CriuPath);
            if (_request is { OrRestore: true, Force: false } && CracImage.IsImageDirectory(path) && TryRestore(path) is { } restored)
            {
                return CreateResult(restored);
            }

            if (_request.Compress)
            {
                CriuFeature.RequireCompression(_request.CriuPath);
            }
        }

        return CreateResult(StartProgram());
    }

    private void RequireConsistent()
    {
        if (_request is { IgnoreChange: true, Force: true })
        {
            throw new CracException(
                CracReason.OptionRefused, "-IgnoreChange restores an existing image, and -Force replaces it.", "Leave out -IgnoreChange or -Force.");
        }

        if (_request is { IgnoreChange: true, OrRestore: false })
        {
            throw new CracException(CracReason.OptionRefused, "-IgnoreChange needs -OrRestore.", "Leave out -IgnoreChange, or give -OrRestore too.");
        }

        if (_request is { RequireSignature: true, OrRestore: false })
        {
            throw new CracException(CracReason.OptionRefused, "-RequireSignature needs -OrRestore: it is about the image that is restored.", "Leave out -RequireSignature, or give -OrRestore too.");
        }

        if (_request is { OrRestore: true, Engine: CracEngineChoice.Jvm, PidNamespace: CracPidNamespace.New })
        {
            // Refused here: later it would count as an image that cannot be restored, which would be replaced.
            throw new CracException(
                CracReason.OptionRefused, "java restores only to the process ids of the image, and does not support -PidNamespace New.",
                "Use -Engine Criu, or leave out -PidNamespace New.");
        }
    }

    private StartResult CreateResult(CracStartedProcess process)
    {
        if (!_request.EndWithCaller)
        {
            process.HandOver();
        }

        return new StartResult(process, _warnings, _decisions);
    }

    private CracStartedProcess? TryRestore(string path)
    {
        StartedCommand? command = _request.IgnoreChange ? null : _request.FindCommand();
        ReadyCondition[] conditions = [.. _request.Ready.Where(static condition => condition.HoldsAfterRestore)];
        Prepare(conditions);
        CracStartedProcess? process = null;
        try
        {
            using var early = new EarlyReadinessCheck(_progress, conditions, _cancellation);
            long start = Stopwatch.GetTimestamp();
            var image = CracImage.Open(path);
            if (command is not null && ImageMatch.FindDifferences(image, command) is { Count: > 0 } differences)
            {
                _warnings.Add(
                    $"The image {path} does not match what is started, so the program is started and the image is replaced: {string.Join("; ", differences)}. -IgnoreChange restores it anyway.");
                _replace = true;
                return null;
            }

            process = RestoreAsChild(image, _request, _request.FindOtherStreams(image.Manifest?.Start), early, _cancellation);
            _started?.Invoke(process);
            WaitUntilReady(process, conditions, start);
            _decisions.Add($"Restored from {path}.");
            if (_request.PidNamespace is null && process.NamespaceInitId is { } init)
            {
                _decisions.Add($"As at its checkpoint it is in a pid namespace of its own, whose first process is {init} here. -PidNamespace Host restores it into the caller's.");
            }

            return process;
        }
        catch (CracException e) when (e.Reason is not (CracReason.SignatureMissing or CracReason.SignatureInvalid or CracReason.SignerNotAllowed))
        {
            process?.End();
            _warnings.Add($"The image {path} could not be restored, so the program is started and the image is replaced: {e.Message}");
            _replace = true;
            return null;
        }
        catch
        {
            process?.End();
            throw;
        }
    }

    /// <summary>Restores an image's tree as a child, whose end is observed. It ends with this process unless it is handed over.</summary>
    internal static CracStartedProcess RestoreAsChild(
        CracImage image, StartRequest start, RestoreFiles files, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        SessionGuard? guard = SessionGuard.TryStart();
        try
        {
            using CracRestoredProcess restored = Restore.Run(
                new RestoreRequest
                {
                    Image = image,
                    Files = files,
                    Engine = start.Engine,
                    AsChild = true,
                    PidNamespace = start.PidNamespace,
                    CriuPath = start.CriuPath,
                    Guard = guard,
                    Service = start.Service,
                    RequireSignature = start.RequireSignature,
                    AllowedSigners = start.AllowedSigners,
                },
                progress,
                cancellation);
            var child = ChildProcess.Adopt(restored, guard);
            return new CracStartedProcess(child, restored.Command, isRestored: true, restored.ImageProcessId) { Image = image };
        }
        catch
        {
            guard?.Dispose();
            throw;
        }
    }

    private CracStartedProcess StartProgram()
    {
        Report(CracPhase.Starting);
        StartFingerprint? fingerprint = _request.ImagePath is null ? null : TakeFingerprint(_request, _warnings);
        Prepare(_request.Ready);
        long start = Stopwatch.GetTimestamp();
        CracStartedProcess process = Launcher.Launch(_request, _decisions, _warnings, _cancellation);
        _processId = process.Id;
        try
        {
            // At once: from here on signals are forwarded to the program.
            _started?.Invoke(process);
            RunningProcesses.Add(process.Id, process.Command, record => record with { Service = _request.Service, NamespaceInitId = process.NamespaceInitId });
            WaitUntilReady(process, _request.Ready, start);
            if (_request.WarmUp is { } warmUp)
            {
                Report(CracPhase.WarmingUp);
                warmUp(process);
                _cancellation.ThrowIfCancellationRequested();
            }

            if (_request.CollectGarbage)
            {
                // Also without a checkpoint, and before the wait for connections, which garbage may keep open.
                JvmHeap.Collect(process.Id, _cancellation);
            }

            if (_request.WarmUp is not null || _request.ImagePath is not null)
            {
                WaitUntilSettled(process);
            }

            if (_request.ImagePath is { } path)
            {
                TakeCheckpoint(process, path, fingerprint!);
            }

            return process;
        }
        catch
        {
            process.End();
            throw;
        }
    }

    private void Prepare(IReadOnlyList<ReadyCondition> conditions)
    {
        foreach (ReadyCondition condition in conditions)
        {
            condition.Prepare(_cancellation);
        }
    }

    private void WaitUntilReady(CracStartedProcess process, IReadOnlyList<ReadyCondition> conditions, long start)
    {
        if (conditions.Count == 0)
        {
            _decisions.Add("No condition says when the program is ready: it counts as ready as soon as it runs.");
            return;
        }

        Report(CracPhase.WaitingUntilReady);
        process.ReadyTime = Readiness.Wait(process, conditions, start, _request.ReadyTimeout, _cancellation);
    }

    // Also where the caller takes the checkpoint: connections that the warm-up has closed are then closed in the program too.
    private void WaitUntilSettled(CracStartedProcess process)
    {
        if (!TreeSockets.WaitUntilSettled(process.Id, SettleTimeout, _cancellation))
        {
            _decisions.Add("Connections that their peers have closed are still open in the program.");
        }
    }

    /// <summary>Takes the fingerprint of a start.</summary>
    /// <param name="request">The start.</param>
    /// <param name="warnings">Receives a sentence for each thing that the fingerprint cannot tell.</param>
    internal static StartFingerprint TakeFingerprint(StartRequest request, List<string> warnings)
    {
        var fingerprint = StartFingerprint.Take(request.FindCommand());
        foreach (string folder in fingerprint.CrowdedFolders)
        {
            warnings.Add($"The folder {folder} has more than {FolderFiles.MaximumFiles} files, so -OrRestore will not detect changes in it. Name the files that matter with -DependsOn.");
        }

        foreach (string path in fingerprint.Unmatched)
        {
            warnings.Add($"-DependsOn {path} matches no file.");
        }

        return fingerprint;
    }

    private void TakeCheckpoint(CracStartedProcess process, string path, StartFingerprint fingerprint)
    {
        var request = new CheckpointRequest
        {
            ProcessId = process.Id,
            ImagePath = path,
            Engine = _request.Engine,
            Options = new CheckpointOptions { LeaveRunning = _request.LeaveRunning || _request.OrRestore, Compress = _request.Compress },
            Force = _replace,
            CriuPath = _request.CriuPath,
        };
        try
        {
            ImageManifestStart started = fingerprint.Complete(process.Id);
            _decisions.Add($"The image records the fingerprints of {started.Files.Count(static file => !file.IsWritten)} files.");
            _decisions.AddRange(started.Files.Where(static file => file.IsWritten).Select(static file => $"The program writes {file.Path}, so changes of it do not count."));
            process.Image = Checkpoint.Run(request with { Start = started }, _progress, _cancellation).Image;
            if (!request.Options.LeaveRunning)
            {
                process.WaitForExit(ChildProcess.EndGrace, CancellationToken.None);
            }
        }
        catch (CracException e) when (e.Reason is CracReason.ProcessNotFound or CracReason.ProcessGone or CracReason.ProcessNotEligible
            && process.WaitForExit(ChildProcess.EndGrace, CancellationToken.None))
        {
            throw Readiness.Ended(process, "before its checkpoint");
        }
        catch (CracException e) when (_request.OrRestore && !process.HasExited)
        {
            // The program matters more than its image, which only makes the next start quicker.
            string recommendedAction = NeedsOption(e) ? $"Its options are given to Invoke-CracCheckpoint -Id {process.Id} -ImagePath {path} -LeaveRunning{(_replace ? " -Force" : "")}. {e.RecommendedAction}" : e.RecommendedAction ?? "";
            _warnings.Add($"The program runs, but it could not be checkpointed: {e.Message} {recommendedAction}".TrimEnd());
        }
        catch (CracException e) when (NeedsOption(e))
        {
            throw e.With($"The program was ended. Start it without an image, which leaves it running, and give its Id to Invoke-CracCheckpoint -ImagePath {path}, which has the options. {e.RecommendedAction}");
        }
    }

    // The recommended action may need a parameter that only Invoke-CracCheckpoint has.
    private static bool NeedsOption(CracException failure) =>
        failure.RecommendedAction is { } action && Array.Exists(s_checkpointOnlyParameters, parameter => action.Contains(parameter, StringComparison.Ordinal));

    private void Report(CracPhase phase) => _progress?.Report(new CracProgress(phase, 0, 0));
}
