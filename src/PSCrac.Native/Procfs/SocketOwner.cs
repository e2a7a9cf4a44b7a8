namespace PSCrac.Procfs;

/// <summary>Finds out who has a socket, by looking through the descriptors of all processes: slow, for messages only.</summary>
internal static class SocketOwner
{
    /// <summary>" by NAME (PID)" for the first process found that has the socket open; empty when none is seen.</summary>
    internal static string Describe(ulong inode)
    {
        string wanted = $"socket:[{inode}]";
        foreach (int processId in ProcessDirectory.ReadProcessIds() ?? [])
        {
            using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
            foreach (int number in directory?.ReadNumbers("fd") ?? [])
            {
                if (directory!.ReadLink($"fd/{number}") == wanted)
                {
                    return $" by {ProcessStatus.TryReadStat(directory)?.CommandName ?? "a process"} ({processId})";
                }
            }
        }

        return "";
    }
}
