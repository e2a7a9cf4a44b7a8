namespace PSCrac.Procfs;

/// <summary>
/// Which process is meant, for as long as the machine runs: a pid alone may be given to another process,
/// a pid with the time its process started may not.
/// </summary>
/// <param name="ProcessId">The pid, as this proc shows it.</param>
/// <param name="StartTimeTicks">When the process started, in clock ticks (normally 1/100 s) since the machine did: field 22 of /proc/PID/stat, proc(5).</param>
internal readonly record struct ProcessIdentity(int ProcessId, ulong StartTimeTicks)
{
    /// <summary>The identity of the process that has the pid now; null when none has.</summary>
    internal static ProcessIdentity? TryRead(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        return directory is not null && ProcessStatus.TryReadStat(directory) is { } status ? status.Identity : null;
    }

    /// <summary>Whether the pid still belongs to this process. A zombie still holds its pid and counts.</summary>
    internal bool HoldsItsPid() => TryRead(ProcessId) == this;

    /// <summary>Whether the process still runs: it holds its pid and is not a zombie.</summary>
    internal bool IsRunning()
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(ProcessId);
        return directory is not null
            && ProcessStatus.TryReadStat(directory) is { HasEnded: false } status
            && status.Identity == this;
    }
}
