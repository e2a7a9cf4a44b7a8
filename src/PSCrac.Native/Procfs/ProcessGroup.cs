using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// Queries a process group by its id. The id is the pid of its first process and stays in use until its last process is reaped
/// (__change_pid() in kernel/pid.c).
/// </summary>
internal static class ProcessGroup
{
    /// <summary>Whether a group with this id exists. Zombies still belong to their group.</summary>
    internal static bool Exists(int id) => id > 1 && LibC.ProbeGroup(id) != Errno.ESRCH;

    /// <summary>Finds a process of the group, preferably one that has not ended; null if there is none.</summary>
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
