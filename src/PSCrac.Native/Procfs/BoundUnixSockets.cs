namespace PSCrac.Procfs;

/// <summary>The unix sockets of this network namespace by their names.</summary>
internal sealed class BoundUnixSockets
{
    private readonly Dictionary<string, SocketEntry> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<(uint, DeviceNumber), SocketEntry> _byFile = [];

    private BoundUnixSockets()
    {
    }

    /// <summary>Reads them from sock_diag(7); none where the kernel does not have it.</summary>
    internal static BoundUnixSockets Read()
    {
        var all = new Dictionary<ulong, SocketEntry>();
        var bound = new BoundUnixSockets();
        UnixDiagnostics.TryCollect(all);
        foreach (SocketEntry socket in all.Values)
        {
            if (socket.OwnsUnixName)
            {
                bound._byName[socket.UnixName!] = socket;
                bound._byFile[(socket.FileInode, socket.FileDevice)] = socket;
            }
        }

        return bound;
    }

    /// <summary>Finds the socket that has a name.</summary>
    /// <param name="name">An absolute path, or @ and an abstract name.</param>
    /// <returns>The socket; null where none has it: a file may be left over from one that is closed.</returns>
    internal SocketEntry? Find(string name)
    {
        if (!name.StartsWith('/'))
        {
            return _byName.GetValueOrDefault(name);
        }

        if (!FileStatus.TryRead(name, flags: 0, out FileStatus status, out _) || status.Type != FileType.Socket)
        {
            return null;
        }

        // Some file systems show another device in stat(2) than the kernel has: btrfs, overlayfs.
        return _byFile.GetValueOrDefault(((uint)status.Inode, status.Device))
            ?? (_byName.GetValueOrDefault(name) is { } named && named.FileInode == (uint)status.Inode ? named : null);
    }
}
