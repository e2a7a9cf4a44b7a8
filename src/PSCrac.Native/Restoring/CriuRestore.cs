using PSCrac.Common;
using PSCrac.Criu;
using PSCrac.Options;
using PSCrac.Processes;

namespace PSCrac.Restoring;

/// <summary>A restore by criu. It is repeated where a pid was about to become free, and once with a longer log where the cause of the failure is unknown.</summary>
internal static class CriuRestore
{
    private const int MaximumAttempts = 3;

    /// <summary>Restores a process tree, as <see cref="Restore.Run"/> does.</summary>
    internal static CracRestoredProcess Run(RestoreRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        int logLevel = CriuSession.Warnings;
        for (int attemptsLeft = MaximumAttempts - 1; ; attemptsLeft--)
        {
            try
            {
                using var attempt = new RestoreAttempt(request, progress, cancellation);
                return attempt.Run(logLevel);
            }
            catch (CracException e) when (attemptsLeft > 0 && WasAboutToBeFree(e, request, cancellation))
            {
            }
            catch (CracException e) when (logLevel < CriuSession.Debug && CanBeRepeated(e, request))
            {
                logLevel = CriuSession.Debug;
            }
        }
    }

    // A failed restore leaves nothing behind, so one with an unknown cause is repeated at criu's highest log level; but not
    // where the user's scripts would run twice, helper links are used up, or the caller was told that everything is restored.
    private static bool CanBeRepeated(CracException failure, RestoreRequest request) =>
        failure is { Reason: CracReason.Unknown, LogPath: not null } && !request.Image.IsOneShot && request.Restored is null
        && !request.Options.WithDefaults(request.Image.Options).Has("action-script");

    // Since Linux 6.15 a dead task disappears from /proc a moment before its pid is free (release_task in kernel/exit.c), so
    // criu may find a pid taken that no process shows. criu's own attempt may leave zombies; the wait covers them too.
    private static bool WasAboutToBeFree(CracException failure, RestoreRequest request, CancellationToken cancellation) =>
        failure is { Reason: CracReason.PidInUse, LogPath: not null }
        && PidWaiter.Wait(request.Image.ThreadIds, request.PidTimeout, PidWaiter.IsZombie, cancellation).Count == 0;
}
