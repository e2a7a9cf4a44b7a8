namespace PSCrac.Procfs;

/// <summary>
/// Identifies a process until the machine is restarted: a pid alone may be reused,
/// but not together with the start time of the process.
/// </summary>
/// <param name="ProcessId">The pid in the caller's proc.</param>
/// <param name="StartTimeTicks">The start time of the process, in clock ticks (normally 1/100 s) since boot: field 22 of /proc/PID/stat, proc(5).</param>
internal readonly record struct ProcessIdentity(int ProcessId, ulong StartTimeTicks)
{
    /// <summary>Reads the identity of the process that has the pid now; null if there is none.</summary>
    internal static ProcessIdentity? TryRead(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        return directory is not null && ProcessStatus.TryReadStat(directory) is { } status ? status.Identity : null;
    }

    /// <summary>Whether the pid still belongs to this process. A zombie still has its pid.</summary>
    internal bool HoldsItsPid() => TryRead(ProcessId) == this;

    /// <summary>Whether the process still runs: the pid belongs to it and it is not a zombie.</summary>
    internal bool IsRunning()
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(ProcessId);
        return directory is not null
            && ProcessStatus.TryReadStat(directory) is { HasEnded: false } status
            && status.Identity == this;
    }
}
