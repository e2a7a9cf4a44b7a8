namespace PSCrac.Procfs;

/// <summary>Finds out who has a socket, by looking through the descriptors of all processes: slow, for messages only.</summary>
internal static class SocketOwner
{
    /// <summary>The name and the id of the first process found that has the socket open; null when none is seen.</summary>
    internal static (string Name, int ProcessId)? Find(ulong inode)
    {
        string wanted = $"socket:[{inode}]";
        foreach (int processId in ProcessDirectory.ReadProcessIds() ?? [])
        {
            using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
            foreach (int number in directory?.ReadNumbers("fd") ?? [])
            {
                if (directory!.ReadLink($"fd/{number}") == wanted)
                {
                    return (ProcessStatus.TryReadStat(directory)?.CommandName ?? "a process", processId);
                }
            }
        }

        return null;
    }
}
