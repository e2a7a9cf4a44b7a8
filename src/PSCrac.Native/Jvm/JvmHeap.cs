using PSCrac.Procfs;

namespace PSCrac.Jvm;

/// <summary>Makes a JVM collect its garbage before criu freezes it.</summary>
internal static class JvmHeap
{
    // A collection takes about a second per GiB in use.
    private static readonly TimeSpan MaximumTime = TimeSpan.FromMinutes(10);

    // G1 answers first, and then returns memory in steps, 10 ms apart (g1UncommitRegionTask.cpp, from JDK 16 on).
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan MaximumReturnTime = TimeSpan.FromSeconds(2);
    private const int MaximumStepsWithoutReturn = 4;

    /// <summary>
    /// Makes a JVM collect its garbage (the diagnostic command GC.run). Memory that it returns to the kernel is neither written to
    /// an image nor read back. A JVM without an attach socket opens one for this, and keeps it.
    /// </summary>
    /// <param name="processId">The JVM, by its pid here.</param>
    /// <param name="cancellation">Ends the wait; the JVM collects all the same.</param>
    /// <exception cref="CracException">
    /// <see cref="CracReason.JvmNotCapable"/>: the process is no HotSpot JVM; <see cref="CracReason.JvmNotAttachable"/>: it
    /// takes no commands, or refused this one; <see cref="CracReason.PermissionDenied"/>; <see cref="CracReason.ProcessGone"/>.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    internal static void Collect(int processId, CancellationToken cancellation = default)
    {
        JvmProcess jvm = JvmProcess.Find(processId) ?? throw new CracException(
            CracReason.JvmNotCapable,
            $"Process {processId} is not a HotSpot JVM, or may not be read: it cannot collect its garbage.",
            "Leave out -CollectGarbage.");
        JvmReply reply = JvmAttachment.Open(jvm, timeout: null, cancellation).Jcmd("GC.run", MaximumTime, cancellation);
        if (reply.IsSuccess)
        {
            AwaitReturn(processId, cancellation);
        }
        else
        {
            throw new CracException(
                CracReason.JvmNotAttachable, $"JVM {processId} refused to collect its garbage: {reply.Text.Trim()}", "Leave out -CollectGarbage.");
        }
    }

    private static void AwaitReturn(int processId, CancellationToken cancellation)
    {
        long end = Environment.TickCount64 + (long)MaximumReturnTime.TotalMilliseconds;
        long least = long.MaxValue;
        for (int idle = 0; idle < MaximumStepsWithoutReturn && Environment.TickCount64 < end; idle++)
        {
            if (ProcessStatus.TryRead(processId) is not { } status)
            {
                return;
            }

            if (status.AnonymousBytes < least)
            {
                least = status.AnonymousBytes;
                idle = -1;
            }

            if (cancellation.WaitHandle.WaitOne(Step))
            {
                cancellation.ThrowIfCancellationRequested();
            }
        }
    }
}
