using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// A process group, by its number: the pid of its first process, which stays taken until the last one has been reaped
/// (__change_pid() in kernel/pid.c).
/// </summary>
internal static class ProcessGroup
{
    /// <summary>Whether there is one of this number. What has ended and was not reaped belongs to its group still.</summary>
    internal static bool Exists(int id) => id > 1 && LibC.ProbeGroup(id) != Errno.ESRCH;

    /// <summary>A process of it, one that runs rather than one that has ended; null where it has none.</summary>
    internal static ProcessStatus? FindMember(int id)
    {
        ProcessStatus? found = null;
        foreach (int processId in ProcessDirectory.ReadProcessIds() ?? [])
        {
            using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
            if (directory is not null && ProcessStatus.TryReadStat(directory) is { } status && status.ProcessGroupId == id)
            {
                found = status;
                if (!status.HasEnded)
                {
                    break;
                }
            }
        }

        return found;
    }
}
