using PSCrac.Jvm;
using PSCrac.Options;
using PSCrac.Preflight;

namespace PSCrac.Checkpointing;

/// <summary>What is found in a process before a checkpoint: by the rules, which are criu's, and for a JVM how it would be taken.</summary>
internal static class CheckpointExamination
{
    /// <summary>Examines a process and its descendants; nothing is stopped, and no JVM is asked.</summary>
    /// <param name="processId">The root's pid.</param>
    /// <param name="options">The checkpoint that is wanted.</param>
    /// <param name="canCheckpoint">Whether nothing blocks it.</param>
    /// <exception cref="CracException">No such process (<see cref="CracReason.ProcessNotFound"/>).</exception>
    internal static IReadOnlyList<CracFinding> Run(int processId, PreflightOptions options, out bool canCheckpoint)
    {
        ProcessPreflight preflight = ProcessPreflight.Examine(processId, options);
        canCheckpoint = preflight.CanCheckpoint;
        return JvmProcess.Find(processId) is { } jvm ? [.. preflight.Findings, jvm.DescribeCrac() with { RootProcessId = processId }] : preflight.Findings;
    }
}
