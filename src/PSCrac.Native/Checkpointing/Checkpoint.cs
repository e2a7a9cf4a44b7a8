using PSCrac.Common;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Checkpointing;

/// <summary>A checkpoint: by criu, or by a JVM of itself.</summary>
public static class Checkpoint
{
    /// <summary>Checkpoints a process tree.</summary>
    /// <param name="request">What, where to, how.</param>
    /// <param name="progress">Told of the phases and of the bytes written; null for nobody.</param>
    /// <param name="cancellation">
    /// Cancelling makes criu roll back: the process goes on and no image is left. A JVM that checkpoints itself is only heeded
    /// until its criu works, and may go on to checkpoint all the same; once its criu works, that is waited for.
    /// </param>
    /// <returns>The image, and what else there is to say.</returns>
    /// <exception cref="CracException">
    /// It failed. The process goes on, and the target is as it was. <see cref="CracReason.JvmRefused"/> has what stood in the way of a
    /// JVM as its findings.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled, with the same outcome.</exception>
    public static CheckpointResult Run(CheckpointRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellation.ThrowIfCancellationRequested();
        try
        {
            return RunEither(request, progress, cancellation);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Checkpoint, request.ProcessId, request.ImagePath);
            throw;
        }
    }

    private static CheckpointResult RunEither(CheckpointRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        request.Options.RequireConsistent();
        JvmProcess? jvm = JvmCheckpoint.Select(request.Engine, request.ProcessId, cancellation);
        if (request.CollectGarbage)
        {
            JvmHeap.Collect(request.ProcessId, cancellation);
        }

        CheckpointResult made = jvm is null
            ? CriuCheckpoint.Run(request, progress, cancellation, out ProcessTree tree)
            : new CheckpointResult(JvmCheckpoint.Run(jvm, request, progress, cancellation, out tree), [], [], [], []);
        return made with { LingeringProcessIds = WaitForPids(made.Image, tree, request.PidTimeout, progress, cancellation) };
    }

    private static List<int> WaitForPids(CracImage image, ProcessTree tree, TimeSpan timeout, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        if (image.Manifest is { LeaveRunning: true } || timeout <= TimeSpan.Zero)
        {
            return [];
        }

        progress?.Report(new CracProgress(CracPhase.WaitingForPids, 0, tree.AnonymousBytes));
        IReadOnlyList<int> ids = image.Manifest?.Process.HostPid is null ? image.ThreadIds : tree.ThreadIds;
        try
        {
            return PidWaiter.Wait(ids, timeout, image.Engine == CracEngine.Jvm ? IsOnItsWayOut : PidWaiter.IsZombie, cancellation);
        }
        catch (OperationCanceledException)
        {
            // The image is made and the tree is gone: to stop waiting is all that is left to cancel.
            return [];
        }

        // A pid that another process took meanwhile is not the tree's any more; no waiting will free it. But a JVM's engine was
        // started by the JVM and outlives it by a moment, in its process group, whose number is the JVM's pid.
        static bool IsOnItsWayOut(int id) => ProcessStatus.TryRead(id) is not { HasEnded: false };
    }
}
