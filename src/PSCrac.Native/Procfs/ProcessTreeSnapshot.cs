namespace PSCrac.Procfs;

/// <summary>A tree with all that is known of its members, read without stopping any of them.</summary>
internal sealed class ProcessTreeSnapshot
{
    private readonly HashSet<int> _processIds;

    private ProcessTreeSnapshot(ProcessTree tree, List<ProcessSnapshot> members, ProcessNamespaces? ownNamespaces)
    {
        Tree = tree;
        Members = members;
        OwnNamespaces = ownNamespaces;
        _processIds = [.. tree.ProcessIds];
    }

    /// <summary>The tree.</summary>
    internal ProcessTree Tree { get; }

    /// <summary>The members, the root first. One that ended while the tree was read is left out.</summary>
    internal IReadOnlyList<ProcessSnapshot> Members { get; }

    /// <summary>The process the tree was read from.</summary>
    internal ProcessSnapshot Root => Members[0];

    /// <summary>The namespaces of the process that reads; null when they could not be read.</summary>
    internal ProcessNamespaces? OwnNamespaces { get; }

    /// <summary>
    /// Where a member's paths begin, seen from here: nowhere in front of them when it shares our mounts (proc then writes paths
    /// from our root, also for a process in a chroot), otherwise its root as proc offers it.
    /// </summary>
    internal string RootOf(ProcessSnapshot member) =>
        OwnNamespaces is null || member.Namespaces is null || OwnNamespaces.Shares(NamespaceKind.Mount, member.Namespaces)
            ? ""
            : $"/proc/{member.ProcessId}/root";

    /// <summary>Whether a pid is one of the tree's.</summary>
    internal bool Contains(int processId) => _processIds.Contains(processId);

    /// <summary>Reads a process and its descendants.</summary>
    /// <exception cref="CracException">No process has this pid (<see cref="CracReason.ProcessNotFound"/>).</exception>
    internal static ProcessTreeSnapshot Read(int rootProcessId)
    {
        ProcessTree tree = ProcessTree.Read(rootProcessId);
        using ProcessDirectory? own = ProcessDirectory.TryOpen(Environment.ProcessId);
        ProcessNamespaces? ownNamespaces = own is null ? null : ProcessNamespaces.TryRead(own);
        var shared = new SharedTables(ownNamespaces);
        var members = new List<ProcessSnapshot>(tree.Members.Count);
        foreach (ProcessTreeMember member in tree.Members)
        {
            if (ProcessSnapshot.TryRead(member, shared) is { } snapshot)
            {
                members.Add(snapshot);
            }
            else if (members.Count == 0)
            {
                throw ProcessTree.NotFound(rootProcessId);
            }
        }

        shared.ReadSockets();
        return new ProcessTreeSnapshot(tree, members, ownNamespaces);
    }
}
