namespace PSCrac.Procfs;

/// <summary>Finds the process that has a socket open, by reading the descriptors of all processes. Slow; for messages only.</summary>
internal static class SocketOwner
{
    /// <summary>The command name and pid of the first process that has the socket open; null if none is found.</summary>
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
