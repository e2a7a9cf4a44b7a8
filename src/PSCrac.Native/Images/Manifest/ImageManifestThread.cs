namespace PSCrac.Images.Manifest;

/// <summary>
/// Attributes of a thread that criu does not keep, or keeps only where it has the privilege: those that differ from what a
/// started program has. A null stands for the usual value.
/// </summary>
public sealed record ImageManifestThread
{
    /// <summary>The thread's id in the image; the main thread's is its process's.</summary>
    public required int Id { get; init; }

    /// <summary>The CPUs that it may run on, such as "0-3,8" (sched_setaffinity(2)); null for all.</summary>
    public string? CpuAffinity { get; init; }

    /// <summary>Its I/O priority, class and level as in ioprio_set(2).</summary>
    public int? IoPriority { get; init; }

    /// <summary>Its scheduling policy with its flags, a number of sched_setscheduler(2).</summary>
    public int? SchedulingPolicy { get; init; }

    /// <summary>Its real-time priority, 1 to 99; null for none.</summary>
    public int? SchedulingPriority { get; init; }

    /// <summary>Its nice value, -20 to 19.</summary>
    public int? Nice { get; init; }

    /// <summary>Its timer slack in nanoseconds (/proc/PID/timerslack_ns); null for 50,000.</summary>
    public long? TimerSlack { get; init; }

    /// <summary>Its process's coredump filter (/proc/PID/coredump_filter), in the main thread only; null for 0x33.</summary>
    public uint? CoredumpFilter { get; init; }

    /// <summary>Its process's adjustment of the OOM score, -1000 to 1000, in the main thread only.</summary>
    public int? OomScoreAdjustment { get; init; }
}
