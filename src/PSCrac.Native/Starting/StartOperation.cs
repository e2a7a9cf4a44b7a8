using System.Diagnostics;
using PSCrac.Checkpointing;
using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Processes;
using PSCrac.Restoring;
using PSCrac.Staging;

namespace PSCrac.Starting;

/// <summary>A start: restore where there is an image, else launch, wait until ready, warm up, checkpoint.</summary>
internal sealed class StartOperation
{
    private static readonly string[] s_onlyOfCheckpoints =
    [
        "-CriuOption",
        .. OptionTable.Rows.Where(static row => row.ParameterScope.HasFlag(OptionScope.Checkpoint) && row != OptionTable.LeaveRunning && !row.IsReserved)
            .Select(static row => $"-{row.Parameter}"),
    ];

    private static readonly TimeSpan SettleLimit = TimeSpan.FromSeconds(5);

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
    /// <param name="request">What and how.</param>
    /// <param name="progress">Told of the phases; null for nobody.</param>
    /// <param name="started">Told of each process as soon as it is there, before it is ready; null for nobody.</param>
    /// <param name="cancellation">Cancelling ends the program, as far as it was started, and rolls back its checkpoint.</param>
    /// <returns>The program: running, or ended by its checkpoint.</returns>
    /// <exception cref="CracException">It failed, and the program was ended.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled, with the same outcome.</exception>
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
        if (_request is { OrRestore: true, Force: true })
        {
            throw new CracException(
                CracReason.OptionRefused,
                "-OrRestore restores the image that is there, and -Force replaces it.",
                "Leave out -Force: an image that cannot be restored is replaced all the same. Or leave out -OrRestore to have a new one made.");
        }

        if (_request is { OrRestore: true, Engine: CracEngineChoice.Jvm, PidNamespace: CracPidNamespace.New })
        {
            // Told now: later it would look as if something were wrong with the image, which would be replaced.
            throw new CracException(
                CracReason.OptionRefused, "java restores its image to the ids of the image only, and cannot be told of -PidNamespace New.",
                "Use -Engine Criu, or leave out -PidNamespace New.");
        }

        if (_request.ImagePath is { } path)
        {
            ImageStaging.RequireFree(path, _request.Force || _request.OrRestore);
            CriuInstallation.Locate(_request.CriuPath);
            if (_request.OrRestore && CracImage.IsImageDirectory(path) && TryRestore(path) is { } restored)
            {
                return Result(restored);
            }
        }

        return Result(StartAnew());
    }

    private StartResult Result(CracStartedProcess process)
    {
        if (!_request.EndWithCaller)
        {
            process.HandOver();
        }

        return new StartResult(process, _warnings, _decisions);
    }

    private CracStartedProcess? TryRestore(string path)
    {
        ReadyCondition[] conditions = [.. _request.Ready.Where(static condition => condition.HoldsAfterRestore)];
        Prepare(conditions);
        CracStartedProcess? process = null;
        try
        {
            using var early = new EarlyLook(_progress, conditions, _cancellation);
            long start = Stopwatch.GetTimestamp();
            process = RestoreAsChild(CracImage.Open(path), _request, early, _cancellation);
            _started?.Invoke(process);
            AwaitReady(process, conditions, start);
            _decisions.Add($"Restored from {path}.");
            if (_request.PidNamespace is null && process.NamespaceInitId is { } init)
            {
                _decisions.Add($"It is in a pid namespace of its own again, as at its checkpoint, whose first process is {init} here. -PidNamespace Host restores it outside.");
            }

            return process;
        }
        catch (CracException e)
        {
            process?.End();
            _warnings.Add($"The image {path} could not be restored, so the program is started anew, and the image replaced: {e.Message}");
            _replace = true;
            return null;
        }
        catch
        {
            process?.End();
            throw;
        }
    }

    /// <summary>Restores an image's tree so that its end is told. It ends with this process until it is handed over.</summary>
    internal static CracStartedProcess RestoreAsChild(
        CracImage image, StartRequest start, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        SessionGuard? guard = SessionGuard.TryStart();
        try
        {
            using CracRestoredProcess restored = Restore.Run(
                new RestoreRequest { Image = image, Engine = start.Engine, AsChild = true, PidNamespace = start.PidNamespace, CriuPath = start.CriuPath, Guard = guard },
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

    private CracStartedProcess StartAnew()
    {
        Report(CracPhase.Starting);
        Prepare(_request.Ready);
        long start = Stopwatch.GetTimestamp();
        CracStartedProcess process = Launcher.Launch(_request, _decisions, _cancellation);
        _processId = process.Id;
        try
        {
            _started?.Invoke(process);
            AwaitReady(process, _request.Ready, start);
            if (_request.WarmUp is { } warmUp)
            {
                Report(CracPhase.WarmingUp);
                warmUp(process);
                _cancellation.ThrowIfCancellationRequested();
            }

            if (_request.CollectGarbage)
            {
                // Also where nothing is checkpointed, and before connections settle: what is collected may hold some.
                JvmHeap.Collect(process.Id, _cancellation);
            }

            if (_request.WarmUp is not null || _request.ImagePath is not null)
            {
                Settle(process);
            }

            if (_request.ImagePath is { } path)
            {
                TakeCheckpoint(process, path);
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

    private void AwaitReady(CracStartedProcess process, IReadOnlyList<ReadyCondition> conditions, long start)
    {
        if (conditions.Count == 0)
        {
            _decisions.Add("No condition says when the program is ready: it counts as ready as soon as it runs.");
            return;
        }

        Report(CracPhase.WaitingUntilReady);
        process.ReadyTime = Readiness.Wait(process, conditions, start, _request.ReadyTimeout, _cancellation);
    }

    // Also where the caller takes the checkpoint: what the warm-up has hung up on is then closed in the program too.
    private void Settle(CracStartedProcess process)
    {
        if (!TreeSockets.WaitUntilSettled(process.Id, SettleLimit, _cancellation))
        {
            _decisions.Add("Connections that were hung up on are still open in the program.");
        }
    }

    private void TakeCheckpoint(CracStartedProcess process, string path)
    {
        var request = new CheckpointRequest
        {
            ProcessId = process.Id,
            ImagePath = path,
            Engine = _request.Engine,
            Options = new CheckpointOptions { LeaveRunning = _request.LeaveRunning || _request.OrRestore },
            Force = _replace,
            CriuPath = _request.CriuPath,
        };
        try
        {
            process.Image = Checkpoint.Run(request, _progress, _cancellation).Image;
            if (!request.Options.LeaveRunning)
            {
                process.WaitForExit(ChildProcess.EndGrace, CancellationToken.None);
            }
        }
        catch (CracException e) when (e.Reason is CracReason.ProcessNotFound or CracReason.ProcessGone
            && process.WaitForExit(ChildProcess.EndGrace, CancellationToken.None))
        {
            throw Readiness.Ended(process, "before its checkpoint");
        }
        catch (CracException e) when (_request.OrRestore && !process.HasExited)
        {
            // What is asked for is a program that runs; that it starts quickly the next time comes second.
            string recommendedAction = NeedsOption(e) ? $"Its options are given to Invoke-CracCheckpoint -Id {process.Id} -ImagePath {path} -LeaveRunning{(_replace ? " -Force" : "")}. {e.RecommendedAction}" : e.RecommendedAction ?? "";
            _warnings.Add($"The program runs, but no checkpoint could be made of it: {e.Message} {recommendedAction}".TrimEnd());
        }
        catch (CracException e) when (NeedsOption(e))
        {
            throw e.With($"The program was ended. Start it without an image, which leaves it running, and give its Id to Invoke-CracCheckpoint -ImagePath {path}, which has the options. {e.RecommendedAction}");
        }
    }

    // What takes care of it may be a parameter that only the checkpoint of a process has.
    private static bool NeedsOption(CracException failure) =>
        failure.RecommendedAction is { } action && Array.Exists(s_onlyOfCheckpoints, parameter => action.Contains(parameter, StringComparison.Ordinal));

    private void Report(CracPhase phase) => _progress?.Report(new CracProgress(phase, 0, 0));
}
