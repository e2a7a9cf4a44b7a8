using System.Diagnostics;
using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Restoring;

namespace PSCrac.Starting;

/// <summary>Waiting until a program is ready.</summary>
internal static class Readiness
{
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits until every condition has held once.</summary>
    /// <param name="process">The program.</param>
    /// <param name="conditions">The conditions, looked at in this order; a later one only once those before it have held.</param>
    /// <param name="start">When its time began, as <see cref="Stopwatch.GetTimestamp"/> gives it.</param>
    /// <param name="timeout">How long it may take from then on.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>How long it took from <paramref name="start"/> on.</returns>
    /// <exception cref="CracException">
    /// <see cref="CracReason.ProgramEnded"/>: the program ended first. <see cref="CracReason.TimedOut"/>: it took too long.
    /// Either carries the last lines that the program wrote. The program is not ended.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static TimeSpan Wait(
        CracStartedProcess process, IReadOnlyList<ReadyCondition> conditions, long start, TimeSpan timeout, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(process);
        ArgumentNullException.ThrowIfNull(conditions);
        return WaitFor(process, conditions, start, timeout, cancellation);
    }

    /// <summary>Restores a process tree and waits until it is ready, which <see cref="CracRestoredProcess.ReadyTime"/> then tells.</summary>
    /// <param name="request">What to restore, and how.</param>
    /// <param name="conditions">The conditions. Those that do not hold after a restore are left out.</param>
    /// <param name="timeout">How long it may take from the beginning of the restore on.</param>
    /// <param name="progress">Told of the phases; null for nobody.</param>
    /// <param name="cancellation">Ends the restore, or the wait; the restored process then goes on.</param>
    /// <exception cref="CracException">The restore failed, or the process, which goes on, was not ready in time.</exception>
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
            e.AddContext(CracOperation.Restore, request.Image.RootProcessId, request.Image.Path);
            throw;
        }
    }

    /// <summary>Restores a process tree in a way of the caller's, and waits until it is ready.</summary>
    /// <param name="restore">Restores it.</param>
    /// <param name="conditions">The conditions. Those that do not hold after a restore are left out.</param>
    /// <param name="timeout">How long it may take from the beginning of the restore on.</param>
    /// <param name="progress">Told of the phases; null for nobody.</param>
    /// <param name="cancellation">Ends the restore, or the wait; the restored process then goes on.</param>
    /// <exception cref="CracException">The restore failed, or the process, which goes on, was not ready in time.</exception>
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

        using var early = new EarlyLook(progress, lasting, cancellation);
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
            while (met < conditions.Count && conditions[met].IsMet(process.Id, Positive(timeout - elapsed), cancellation))
            {
                met++;
                elapsed = Stopwatch.GetElapsedTime(start);
            }

            // What a program left behind, such as a file, may hold although it has ended.
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

    // In proportion to the time that has passed, the looking itself costs a program that starts slowly nothing.
    private static TimeSpan PauseAfter(TimeSpan elapsed)
    {
        TimeSpan pause = elapsed / 50;
        return pause < ShortestPause ? ShortestPause : pause > LongestPause ? LongestPause : pause;
    }

    private static TimeSpan Positive(TimeSpan time) => time > ShortestPause ? time : ShortestPause;

    /// <summary>What to say about a program that has ended although it was to run on.</summary>
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
            process.RecommendedAction ?? "Its output tells why.")
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
        const int Most = 10;
        var lines = new List<string>();
        foreach (OutputFile file in process.Output)
        {
            lines.AddRange(file.ReadLastLines(Most));
        }

        return lines;
    }
}
