using PSCrac.Procfs;

namespace PSCrac.Starting;

/// <summary>The TCP sockets that a process tree has open.</summary>
internal static class TreeSockets
{
    private static readonly HashSet<SocketProtocol> Tcp = [SocketProtocol.Tcp];
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    /// <summary>Whether one of the tree's processes listens on a TCP port.</summary>
    internal static bool ListensOn(int rootProcessId, int port)
    {
        // The kernel's table is one read; the tree's descriptors are read only if the table has such a port.
        HashSet<ulong> listening = [.. ReadTable(rootProcessId)
            .Where(socket => socket.State == CracSocketState.Listening && socket.Local?.Port == port)
            .Select(static socket => socket.Inode)];
        return listening.Count > 0 && ReadInodes(rootProcessId).Any(listening.Contains);
    }

    /// <summary>
    /// Waits until connections that the peer has closed are closed by the tree too: they prevent a checkpoint, and those of a readiness
    /// check or a warm-up close a moment after the last response.
    /// </summary>
    /// <returns>Whether there are none left.</returns>
    internal static bool WaitUntilSettled(int rootProcessId, TimeSpan limit, CancellationToken cancellation)
    {
        long end = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        while (HasClosing(rootProcessId))
        {
            if (Environment.TickCount64 >= end)
            {
                return false;
            }

            cancellation.WaitHandle.WaitOne(Pause);
            cancellation.ThrowIfCancellationRequested();
        }

        return true;
    }

    private static bool HasClosing(int rootProcessId)
    {
        HashSet<ulong> closing = [.. ReadTable(rootProcessId).Where(IsClosing).Select(static socket => socket.Inode)];
        return closing.Count > 0 && ReadInodes(rootProcessId).Any(closing.Contains);
    }

    private static bool IsClosing(SocketEntry socket) =>
        socket.State is CracSocketState.CloseWait or CracSocketState.LastAck or CracSocketState.FinWait1 or CracSocketState.FinWait2 or CracSocketState.Closing;

    private static IReadOnlyCollection<SocketEntry> ReadTable(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        return directory is null ? [] : SocketTable.Read(directory, isOwnNamespace: true, wanted: null, Tcp).Sockets;
    }

    private static List<ulong> ReadInodes(int rootProcessId)
    {
        const string Prefix = "socket:[";
        var inodes = new List<ulong>();
        try
        {
            foreach (int processId in ProcessTree.Read(rootProcessId).ProcessIds)
            {
                using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
                foreach (int descriptor in directory?.ReadNumbers("fd") ?? [])
                {
                    if (directory!.ReadLink($"fd/{descriptor}") is { } target && target.StartsWith(Prefix, StringComparison.Ordinal)
                        && ulong.TryParse(target.AsSpan(Prefix.Length).TrimEnd(']'), out ulong inode))
                    {
                        inodes.Add(inode);
                    }
                }
            }
        }
        catch (CracException)
        {
            // It has ended; the wait for it reports that.
        }

        return inodes;
    }
}
