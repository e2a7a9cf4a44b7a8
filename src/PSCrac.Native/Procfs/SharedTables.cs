namespace PSCrac.Procfs;

/// <summary>
/// Tables that are the same for all processes in one namespace, read once: the mounts, and the sockets, which are read after
/// the socket inodes of all processes are known.
/// </summary>
internal sealed class SharedTables(ProcessNamespaces? own)
{
    private readonly Dictionary<ulong, MountTable?> _mounts = [];
    private readonly Dictionary<ulong, NetworkNamespace> _networks = [];

    internal MountTable? Mounts(ProcessDirectory directory, ProcessNamespaces? namespaces)
    {
        ulong key = namespaces?[NamespaceKind.Mount] ?? 0;
        if (!_mounts.TryGetValue(key, out MountTable? mounts))
        {
            _mounts[key] = mounts = ReadMounts(directory, namespaces);
        }

        return mounts;
    }

    /// <summary>
    /// For the caller's own mount namespace, reads the caller's table: that of a process in a chroot lists only mounts below its root.
    /// </summary>
    private MountTable? ReadMounts(ProcessDirectory directory, ProcessNamespaces? namespaces)
    {
        if (own is null || namespaces is null || own[NamespaceKind.Mount] != namespaces[NamespaceKind.Mount])
        {
            return MountTable.TryRead(directory);
        }

        using ProcessDirectory? caller = ProcessDirectory.TryOpen(Environment.ProcessId);
        return caller is null ? null : MountTable.TryRead(caller);
    }

    /// <summary>Adds a process's sockets to those to read; its namespace's table is set by <see cref="ReadSockets"/>.</summary>
    internal NetworkNamespace AddSockets(int processId, ProcessNamespaces? namespaces, Dictionary<ulong, string?> protocols)
    {
        ulong key = namespaces?[NamespaceKind.Network] ?? 0;
        if (!_networks.TryGetValue(key, out NetworkNamespace? network))
        {
            bool isOwn = own is null || namespaces is null || own.Shares(NamespaceKind.Network, namespaces);
            _networks[key] = network = new NetworkNamespace(processId, isOwn);
        }

        foreach ((ulong inode, string? name) in protocols)
        {
            network.RequestedInodes.Add(inode);
            network.Protocols.Add(SocketTable.ProtocolOf(name));
        }

        return network;
    }

    /// <summary>Reads the socket tables of all added network namespaces.</summary>
    internal void ReadSockets()
    {
        foreach (NetworkNamespace network in _networks.Values)
        {
            using ProcessDirectory? directory = ProcessDirectory.TryOpen(network.ProcessId);
            if (directory is not null)
            {
                network.Table = SocketTable.Read(directory, network.IsOwn, network.RequestedInodes, network.Protocols);
            }
        }
    }

    /// <summary>A network namespace: the sockets to read, then its table.</summary>
    internal sealed class NetworkNamespace(int processId, bool isOwn)
    {
        internal int ProcessId { get; } = processId;

        internal bool IsOwn { get; } = isOwn;

        internal HashSet<ulong> RequestedInodes { get; } = [];

        internal HashSet<SocketProtocol> Protocols { get; } = [];

        internal SocketTable? Table { get; set; }
    }
}
