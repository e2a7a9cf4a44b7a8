using PSCrac.Common;
using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Processes;
using PSCrac.Procfs;

namespace PSCrac.Checkpointing;

/// <summary>The checkpoint operation: criu takes the checkpoint, or a JVM takes one of itself.</summary>
public static class Checkpoint
{
    /// <summary>Checkpoints a process tree.</summary>
    /// <param name="request">The process, the image's path and the options.</param>
    /// <param name="progress">Receives the phases and the number of bytes written; null for no reports.</param>
    /// <param name="cancellation">
    /// Cancelling makes criu roll back: the process continues and no image is left. The checkpoint that a JVM takes of itself can be
    /// cancelled only until its engine starts, and the JVM may take it nevertheless; once the engine has started, this waits for it.
    /// </param>
    /// <returns>The image, the findings and the warnings.</returns>
    /// <exception cref="CracException">
    /// The checkpoint failed. The process continues, and the target is unchanged. <see cref="CracReason.JvmRefused"/> carries as findings
    /// what the JVM refused.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled; the process continues, and the target is unchanged.</exception>
    public static CheckpointResult Run(CheckpointRequest request, IProgress<CracProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        cancellation.ThrowIfCancellationRequested();
        try
        {
            return RunSelected(request, progress, cancellation);
        }
        catch (CracException e)
        {
            e.AddContext(CracOperation.Checkpoint, request.ProcessId, request.ImagePath);
            throw;
        }
    }

    private static CheckpointResult RunSelected(CheckpointRequest request, IProgress<CracProgress>? progress, CancellationToken cancellation)
    {
        request.Options.RequireConsistent();
        JvmProcess? jvm = JvmCheckpoint.Select(request.Engine, request.ProcessId, cancellation);
        if (jvm is not null)
        {
            CheckpointPlan.RequireTrustedTarget(request);
        }

        if (request.CollectGarbage)
        {
            JvmHeap.Collect(request.ProcessId, cancellation);
        }

        CheckpointResult made = jvm is null
            ? CriuCheckpoint.Run(request, progress, cancellation, out ProcessTree tree)
            : new CheckpointResult(JvmCheckpoint.Run(jvm, request, progress, cancellation, out tree), [], [], [], []);
        if (jvm is not null && made.Image.Manifest is { LeaveRunning: true } && !request.Options.LeaveRunning)
        {
            made = made with { Warnings = [JvmCheckpoint.DescribeKeptRunning(jvm)] };
        }

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
            return PidWaiter.Wait(ids, timeout, image.Engine == CracEngine.Jvm ? IsEnding : PidWaiter.IsZombie, cancellation);
        }
        catch (OperationCanceledException)
        {
            // The image exists and the tree has ended: only the wait can still be cancelled.
            return [];
        }

        // A pid that another process has taken in the meantime does not become free by waiting. But the engine that a JVM starts
        // outlives it for a moment, in a process group whose id is the JVM's pid.
        static bool IsEnding(int id) => ProcessStatus.TryRead(id) is not { HasEnded: false };
    }
}
