namespace PSCrac.Procfs;

/// <summary>
/// What all processes in one namespace see alike, read once: the mounts; and the sockets, which are read when it is known
/// which ones the processes have.
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
    /// Of our own mount namespace we read our own table: a process in a chroot would show only what lies below its root.
    /// </summary>
    private MountTable? ReadMounts(ProcessDirectory directory, ProcessNamespaces? namespaces)
    {
        if (own is null || namespaces is null || own[NamespaceKind.Mount] != namespaces[NamespaceKind.Mount])
        {
            return MountTable.TryRead(directory);
        }

        using ProcessDirectory? ourselves = ProcessDirectory.TryOpen(Environment.ProcessId);
        return ourselves is null ? null : MountTable.TryRead(ourselves);
    }

    /// <summary>Takes note of a process's sockets; its namespace's table is there after <see cref="ReadSockets"/>.</summary>
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
            network.Wanted.Add(inode);
            network.Protocols.Add(SocketTable.ProtocolOf(name));
        }

        return network;
    }

    /// <summary>Reads the tables of all network namespaces that were asked about.</summary>
    internal void ReadSockets()
    {
        foreach (NetworkNamespace network in _networks.Values)
        {
            using ProcessDirectory? directory = ProcessDirectory.TryOpen(network.ProcessId);
            if (directory is not null)
            {
                network.Table = SocketTable.Read(directory, network.IsOwn, network.Wanted, network.Protocols);
            }
        }
    }

    /// <summary>One network namespace: which of its sockets are of interest, and then what they are.</summary>
    internal sealed class NetworkNamespace(int processId, bool isOwn)
    {
        internal int ProcessId { get; } = processId;

        internal bool IsOwn { get; } = isOwn;

        internal HashSet<ulong> Wanted { get; } = [];

        internal HashSet<SocketProtocol> Protocols { get; } = [];

        internal SocketTable? Table { get; set; }
    }
}
