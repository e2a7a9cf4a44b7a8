namespace PSCrac.Procfs;

/// <summary>A process tree with the state of its members, read without stopping them.</summary>
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

    /// <summary>The members, starting with the root. A process that ended while the tree was read is left out.</summary>
    internal IReadOnlyList<ProcessSnapshot> Members { get; }

    /// <summary>The root of the tree.</summary>
    internal ProcessSnapshot Root => Members[0];

    /// <summary>The namespaces of the reading process; null if they could not be read.</summary>
    internal ProcessNamespaces? OwnNamespaces { get; }

    /// <summary>
    /// The prefix for a member's paths as seen by the reading process: empty if both share a mount namespace (proc then shows paths
    /// relative to the reader's root, also for a process in a chroot), else /proc/PID/root.
    /// </summary>
    internal string RootOf(ProcessSnapshot member) =>
        OwnNamespaces is null || member.Namespaces is null || OwnNamespaces.Shares(NamespaceKind.Mount, member.Namespaces)
            ? ""
            : $"/proc/{member.ProcessId}/root";

    /// <summary>Whether a pid belongs to the tree.</summary>
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
