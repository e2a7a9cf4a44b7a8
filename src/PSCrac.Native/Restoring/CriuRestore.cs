using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Processes;

namespace PSCrac.Restoring;

/// <summary>A restore by criu: attempts, of which a second one follows where a pid was almost free, or criu has not said why it failed.</summary>
internal static class CriuRestore
{
    private const int MostTries = 3;

    /// <summary>Restores a process tree, as <see cref="Restore.Run"/> does.</summary>
    internal static CracRestoredProcess Run(RestoreRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        int logLevel = CriuSession.Warnings;
        for (int triesLeft = MostTries - 1; ; triesLeft--)
        {
            try
            {
                using var attempt = new RestoreAttempt(request, progress, cancellation);
                return attempt.Run(logLevel);
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
        && !request.Options.WithDefaults(request.Image.Options).Has("action-script");

    // From Linux 6.15 on a dead task is out of sight a moment before its pid is given back (release_task in kernel/exit.c),
    // so criu may find a pid taken that nobody has. Its own attempt may leave zombies, which are waited for too.
    private static bool WasAlmostFree(CracException failure, RestoreRequest request, CancellationToken cancellation) =>
        failure is { Reason: CracReason.PidInUse, LogPath: not null }
        && PidWaiter.Wait(request.Image.ThreadIds, request.PidTimeout, PidWaiter.IsZombie, cancellation).Count == 0;
}
