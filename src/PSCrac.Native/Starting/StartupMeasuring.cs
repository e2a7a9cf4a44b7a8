using System.Diagnostics;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Restoring;

namespace PSCrac.Starting;

/// <summary>Starts a program and restores it, in turn, and measures how long each takes until it is ready.</summary>
internal sealed class StartupMeasuring
{
    private static readonly TimeSpan PidLimit = TimeSpan.FromSeconds(10);

    private readonly StartRequest _request;
    private readonly Action<int>? _round;
    private readonly Action<CracStartedProcess>? _started;
    private readonly CancellationToken _cancellation;

    private StartupMeasuring(StartRequest request, Action<int>? round, Action<CracStartedProcess>? started, CancellationToken cancellation)
    {
        _request = request;
        _round = round;
        _started = started;
        _cancellation = cancellation;
    }

    /// <summary>
    /// Measures. Every process that is started or restored is ended before the next. The first round is not counted: it
    /// finds files and code that are not in memory yet.
    /// </summary>
    /// <param name="request">
    /// What to start, and when it is ready, for which only conditions count that hold after a restore too. Where
    /// <see cref="StartRequest.ImagePath"/> is null, an image is made for the measuring and removed again; otherwise the
    /// image there is used.
    /// </param>
    /// <param name="count">How many rounds are counted, at least 1.</param>
    /// <param name="round">Told of each round as it begins, from 0 on; null for nobody.</param>
    /// <param name="started">Told of each process as soon as it is there; null for nobody.</param>
    /// <param name="cancellation">Cancelling ends what is running.</param>
    /// <exception cref="CracException">A start, the checkpoint or a restore failed, or no condition says when the program is ready.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static CracStartupMeasurement Run(
        StartRequest request,
        int count,
        Action<int>? round = null,
        Action<CracStartedProcess>? started = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        try
        {
            return new StartupMeasuring(request, round, started, cancellation).Run(count);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Measure, processId: null, request.ImagePath);
            throw;
        }
    }

    private CracStartupMeasurement Run(int count)
    {
        if (!_request.Ready.Any(static condition => condition.HoldsAfterRestore))
        {
            throw new CracException(
                CracReason.OptionRefused, "No condition says when the program is ready.", "Give -ReadyUri, -ReadyPort or -ReadyScript.");
        }

        if (_request.ImagePath is { } path)
        {
            return Run(CracImage.Open(path), count);
        }

        string folder = Directory.CreateTempSubdirectory("pscrac-measure-").FullName;
        try
        {
            StartRequest making = _request with { ImagePath = Path.Combine(folder, "image"), LeaveRunning = false, OrRestore = false };
            return Run(StartOperation.Run(making, progress: null, _started, _cancellation).Process.Image!, count);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private CracStartupMeasurement Run(CracImage image, int count)
    {
        var samples = new List<CracStartupSample>();
        for (int i = 0; i <= count; i++)
        {
            _round?.Invoke(i);
            CracStartupSample cold = Measure(i, CracStartKind.Cold, _ => Launcher.Launch(_request, [], _cancellation));
            RequireFreePids(image);
            CracStartupSample restored = Measure(
                i, CracStartKind.Restored, early => StartOperation.RestoreAsChild(image, _request, early, _cancellation));
            if (i > 0)
            {
                samples.Add(cold);
                samples.Add(restored);
            }
        }

        return new CracStartupMeasurement(string.Join(' ', [_request.FilePath, .. _request.Arguments]), samples, image.Size);
    }

    private CracStartupSample Measure(int round, CracStartKind kind, Func<EarlyLook, CracStartedProcess> begin)
    {
        ReadyCondition[] conditions = [.. _request.Ready.Where(static condition => condition.HoldsAfterRestore)];
        foreach (ReadyCondition condition in conditions)
        {
            condition.Prepare(_cancellation);
        }

        using var early = new EarlyLook(progress: null, conditions, _cancellation);
        long start = Stopwatch.GetTimestamp();
        CracStartedProcess process = begin(early);
        try
        {
            _started?.Invoke(process);
            TimeSpan time = Readiness.Wait(process, conditions, start, _request.ReadyTimeout, _cancellation);
            return new CracStartupSample(round, kind, time, ProcessTree.Read(process.Id).ResidentBytes);
        }
        finally
        {
            process.End();
        }
    }

    // Waiting for the last process's pids is no part of a restore that is measured.
    private void RequireFreePids(CracImage image)
    {
        if (RestorePlacement.Choose(_request.PidNamespace, image) == CracPidNamespace.Host)
        {
            PidWaiter.Wait(image.ThreadIds, PidLimit, PidWaiter.IsZombie, _cancellation);
        }
    }
}
