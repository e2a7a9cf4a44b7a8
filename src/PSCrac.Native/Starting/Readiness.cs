using System.Diagnostics;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Restoring;

namespace PSCrac.Starting;

/// <summary>Waits until a program is ready.</summary>
internal static class Readiness
{
    private static readonly TimeSpan MinimumPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan MaximumPause = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until every condition has held once.</summary>
    /// <param name="process">The program.</param>
    /// <param name="conditions">The conditions, checked in this order; each only after those before it have held.</param>
    /// <param name="start">The start of the measured time, from <see cref="Stopwatch.GetTimestamp"/>.</param>
    /// <param name="timeout">The longest time from <paramref name="start"/>.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The time from <paramref name="start"/> until all had held.</returns>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ProgramEnded"/>: the program ended first. <see cref="CracReason.TimedOut"/>: it took too long.
    /// Both carry the last lines of the program's output. The program is not ended.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static TimeSpan Wait(
        CracStartedProcess process, IReadOnlyList<ReadyCondition> conditions, long start, TimeSpan timeout, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(process);
        ArgumentNullException.ThrowIfNull(conditions);
        return WaitFor(process, conditions, start, timeout, cancellation);
    }

    /// <summary>Restores a process tree and waits until it is ready, and sets <see cref="CracRestoredProcess.ReadyTime"/>.</summary>
    /// <param name="request">The image and the options.</param>
    /// <param name="conditions">The conditions. Those that do not hold after a restore are left out.</param>
    /// <param name="timeout">The longest time from the start of the restore.</param>
    /// <param name="progress">Receives the phases; null for no reports.</param>
    /// <param name="cancellation">Ends the restore, or the wait; after the restore the process continues.</param>
    /// <exception cref="CracException">The restore failed, or the process, which continues, was not ready in time.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static CracRestoredProcess Restore(
        RestoreRequest request,
        IReadOnlyList<ReadyCondition> conditions,
        TimeSpan timeout,
        IProgress<CracProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        try
        {
            return Restore((reports, stopping) => Restoring.Restore.Run(request, reports, stopping), conditions, timeout, progress, cancellation);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Restore, request.Image.IsEncrypted ? null : request.Image.RootProcessId, request.Image.Path);
            throw;
        }
    }

    /// <summary>Calls a restore, and waits until the process is ready.</summary>
    /// <param name="restore">The restore.</param>
    /// <param name="conditions">The conditions. Those that do not hold after a restore are left out.</param>
    /// <param name="timeout">The longest time from the start of the restore.</param>
    /// <param name="progress">Receives the phases; null for no reports.</param>
    /// <param name="cancellation">Ends the restore, or the wait; after the restore the process continues.</param>
    /// <exception cref="CracException">The restore failed, or the process, which continues, was not ready in time.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static CracRestoredProcess Restore(
        Func<IProgress<CracProgress>?, CancellationToken, CracRestoredProcess> restore,
        IReadOnlyList<ReadyCondition> conditions,
        TimeSpan timeout,
        IProgress<CracProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(restore);
        ArgumentNullException.ThrowIfNull(conditions);
        ReadyCondition[] lasting = [.. conditions.Where(static condition => condition.HoldsAfterRestore)];
        foreach (ReadyCondition condition in lasting)
        {
            condition.Prepare(cancellation);
        }

        using var early = new EarlyReadinessCheck(progress, lasting, cancellation);
        long start = Stopwatch.GetTimestamp();
        CracRestoredProcess restored = restore(early, cancellation);
        if (lasting.Length > 0)
        {
            progress?.Report(new CracProgress(CracPhase.WaitingUntilReady, 0, 0));
            restored.ReadyTime = WaitFor(restored, lasting, start, timeout, cancellation);
        }

        return restored;
    }

    private static TimeSpan WaitFor(
        IReadySubject process, IReadOnlyList<ReadyCondition> conditions, long start, TimeSpan timeout, CancellationToken cancellation)
    {
        int met = 0;
        while (true)
        {
            TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
            while (met < conditions.Count && conditions[met].IsMet(process.Id, AtLeastMinimumPause(timeout - elapsed), cancellation))
            {
                met++;
                elapsed = Stopwatch.GetElapsedTime(start);
            }

            // A condition such as a file may hold although the program has ended.
            bool isMet = met == conditions.Count;
            TimeSpan pause = isMet ? TimeSpan.Zero : PauseAfter(elapsed);
            if (process.WaitForExit(pause, cancellation))
            {
                throw Ended(process, "before it was ready");
            }

            if (isMet)
            {
                return elapsed;
            }

            if (elapsed >= timeout)
            {
                throw TimedOut(process, conditions[met], timeout);
            }
        }
    }

    // Proportional to the elapsed time, so that the checks cost a slow program next to nothing.
    private static TimeSpan PauseAfter(TimeSpan elapsed)
    {
        TimeSpan pause = elapsed / 50;
        return pause < MinimumPause ? MinimumPause : pause > MaximumPause ? MaximumPause : pause;
    }

    private static TimeSpan AtLeastMinimumPause(TimeSpan time) => time > MinimumPause ? time : MinimumPause;

    /// <summary>The exception for a program that has ended too early.</summary>
    /// <param name="process">The program.</param>
    /// <param name="when">The end of a sentence that begins with "ended".</param>
    internal static CracException Ended(IReadySubject process, string when)
    {
        string how = process.ExitSignal is { } signal ? $"was ended by signal {signal}"
            : process.ExitCode is { } code ? $"ended with exit code {code}"
            : "ended";
        return new CracException(
            CracReason.ProgramEnded,
            $"The program {how} {when}: {process.Command}",
            process.RecommendedAction ?? "See its output for the cause.")
        {
            ProcessId = process.Id,
            ExitCode = process.ExitCode,
            OutputLines = LastLines(process),
        };
    }

    private static CracException TimedOut(IReadySubject process, ReadyCondition condition, TimeSpan timeout) => new(
        CracReason.TimedOut,
        $"The program was not ready within {timeout.TotalSeconds:0.###} s; {condition.Description}: {process.Command}",
        process.RecommendedAction ?? "Give it more time with -ReadyTimeout, or another condition.")
    {
        ProcessId = process.Id,
        OutputLines = LastLines(process),
    };

    private static List<string> LastLines(IReadySubject process)
    {
        const int MaximumLines = 10;
        var lines = new List<string>();
        foreach (OutputFile file in process.Output)
        {
            lines.AddRange(file.ReadLastLines(MaximumLines));
        }

        return lines;
    }
}
