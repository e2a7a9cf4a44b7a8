using System.Diagnostics;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Options;
using PSCrac.Processes;
using PSCrac.Procfs;
using PSCrac.Restoring;

namespace PSCrac.Starting;

/// <summary>Starts a program and restores it, in turn, and measures how long each takes until it is ready.</summary>
internal sealed class MeasureOperation
{
    private static readonly TimeSpan PidLimit = TimeSpan.FromSeconds(10);

    private readonly StartRequest _request;
    private readonly Action<int>? _round;
    private readonly Action<CracStartedProcess>? _started;
    private readonly CancellationToken _cancellation;

    private MeasureOperation(StartRequest request, Action<int>? round, Action<CracStartedProcess>? started, CancellationToken cancellation)
    {
        _request = request;
        _round = round;
        _started = started;
        _cancellation = cancellation;
    }

    /// <summary>
    /// Measures. Each process that is started or restored is ended before the next. The first round does not count: files and code are
    /// not in memory yet.
    /// </summary>
    /// <param name="request">
    /// The program and its conditions, of which only those count that hold after a restore too. Where
    /// <see cref="StartRequest.ImagePath"/> is null, an image is created for the measurement and removed; otherwise that image is
    /// used, which must match.
    /// </param>
    /// <param name="count">The number of rounds that count, at least 1.</param>
    /// <param name="round">Called with the number of each round when it starts, from 0; null for none.</param>
    /// <param name="started">Called with each process as soon as it runs; null for none.</param>
    /// <param name="cancellation">Cancelling ends the running process.</param>
    /// <exception cref="CracException">A start, the checkpoint or a restore failed, or no condition holds after a restore.</exception>
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
            return new MeasureOperation(request, round, started, cancellation).Run(count);
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
            var image = CracImage.Open(path);
            RequireMatch(image);
            return Run(image, count);
        }

        const uint Private = 0x1C0; // 0700
        string temporary = Path.TrimEndingDirectorySeparator(Path.GetTempPath());
        string folder = $"pscrac-measure-{Guid.NewGuid():N}";
        using FolderHandle? above = FolderHandle.TryOpen(temporary, out Errno errno);
        errno = above?.MakeFolder(folder, Private) ?? errno;
        if (above is null || errno != 0)
        {
            throw new CracException(
                CracReason.PermissionDenied, $"The folder {temporary} could not be written to: {LibC.Message(errno)}.", "Name a folder that you may write to with TMPDIR, or give -ImagePath.");
        }

        try
        {
            StartRequest making = _request with { ImagePath = Path.Combine(temporary, folder, "image"), LeaveRunning = false, OrRestore = false };
            return Run(StartOperation.Run(making, progress: null, _started, _cancellation).Process.Image!, count);
        }
        finally
        {
            above.DeleteTree(folder, TrustedUsers.Read());
        }
    }

    private void RequireMatch(CracImage image)
    {
        if (!_request.IgnoreChange && ImageMatch.FindDifferences(image, _request.FindCommand()) is { Count: > 0 } differences)
        {
            throw new CracException(
                CracReason.ImageOutdated,
                $"The image {image.Path} does not match what is started: {string.Join("; ", differences)}.",
                "Create the image again with Start-CracProcess -Force, or measure it as it is with -IgnoreChange.")
            {
                ImagePath = image.Path,
            };
        }
    }

    private CracStartupMeasurement Run(CracImage image, int count)
    {
        var samples = new List<CracStartupSample>();
        for (int i = 0; i <= count; i++)
        {
            _round?.Invoke(i);
            CracStartupSample cold = Measure(i, CracStartKind.Cold, _ => Launcher.Launch(_request, [], [], _cancellation));
            RequireFreePids(image);
            CracStartupSample restored = Measure(
                i, CracStartKind.Restored, early => StartOperation.RestoreAsChild(image, _request, new RestoreFiles(), early, _cancellation));
            if (i > 0)
            {
                samples.Add(cold);
                samples.Add(restored);
            }
        }

        return new CracStartupMeasurement(string.Join(' ', [_request.FilePath, .. _request.Arguments]), samples, image.Size);
    }

    private CracStartupSample Measure(int round, CracStartKind kind, Func<EarlyReadinessCheck, CracStartedProcess> begin)
    {
        ReadyCondition[] conditions = [.. _request.Ready.Where(static condition => condition.HoldsAfterRestore)];
        foreach (ReadyCondition condition in conditions)
        {
            condition.Prepare(_cancellation);
        }

        using var early = new EarlyReadinessCheck(progress: null, conditions, _cancellation);
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

    // The wait for the previous process's pids is not part of the measured restore.
    private void RequireFreePids(CracImage image)
    {
        if (RestorePlacement.Choose(_request.PidNamespace, image) == CracPidNamespace.Host)
        {
            PidWaiter.Wait(image.ThreadIds, PidLimit, PidWaiter.IsZombie, _cancellation);
        }
    }
}
