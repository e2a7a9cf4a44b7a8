namespace PSCrac.Procfs;

/// <summary>One process of a <see cref="ProcessTree"/>.</summary>
/// <param name="Status">The process's status when the tree was read.</param>
/// <param name="ThreadIds">The ids of its threads, the first of which is the process's own.</param>
internal sealed record ProcessTreeMember(ProcessStatus Status, IReadOnlyList<int> ThreadIds)
{
    /// <summary>The pid.</summary>
    internal int ProcessId => Status.ProcessId;
}

/// <summary>
/// A process and all that descend from it: what criu dumps as one. Read without stopping anything, so processes that
/// start or end meanwhile may be missing or extra; none is listed twice, and a parent always comes before its children.
/// </summary>
internal sealed class ProcessTree
{
    private ProcessTree(IReadOnlyList<ProcessTreeMember> members)
    {
        Members = members;
        ProcessIds = [.. members.Select(member => member.ProcessId)];
        ThreadIds = [.. members.SelectMany(member => member.ThreadIds)];
        ResidentBytes = members.Sum(member => member.Status.ResidentBytes);
        AnonymousBytes = members.Sum(member => member.Status.AnonymousBytes);
    }

    /// <summary>The processes, the root first, parents before children. Zombies are members.</summary>
    internal IReadOnlyList<ProcessTreeMember> Members { get; }

    /// <summary>The process the tree was read from.</summary>
    internal ProcessTreeMember Root => Members[0];

    /// <summary>The pids, in the order of <see cref="Members"/>.</summary>
    internal IReadOnlyList<int> ProcessIds { get; }

    /// <summary>The ids of all threads of all members; each process's own pid is the id of its first thread.</summary>
    internal IReadOnlyList<int> ThreadIds { get; }

    /// <summary>Memory in RAM, bytes, over all members; what they share is counted for each.</summary>
    internal long ResidentBytes { get; }

    /// <summary>Memory that no file backs, bytes, over all members; what they share is counted for each. About what a dump writes.</summary>
    internal long AnonymousBytes { get; }

    /// <summary>Reads a process and its descendants.</summary>
    /// <param name="rootProcessId">The pid of the root.</param>
    /// <exception cref="CracException">No process has this pid (<see cref="CracReason.ProcessNotFound"/>).</exception>
    internal static ProcessTree Read(int rootProcessId)
    {
        ProcessTreeMember root = ReadMember(rootProcessId, expectedParent: null, out List<int>? children)
            ?? throw NotFound(rootProcessId);
        var members = new List<ProcessTreeMember> { root };
        if (children is null)
        {
            AddByParents(members);
            return new ProcessTree(members);
        }

        var seen = new HashSet<int> { rootProcessId };
        var waiting = new Queue<(int Parent, List<int> Children)>();
        waiting.Enqueue((rootProcessId, children));
        while (waiting.TryDequeue(out (int Parent, List<int> Children) next))
        {
            foreach (int child in next.Children)
            {
                if (seen.Add(child) && ReadMember(child, next.Parent, out List<int>? grandchildren) is { } member)
                {
                    members.Add(member);
                    if (grandchildren is { Count: > 0 })
                    {
                        waiting.Enqueue((child, grandchildren));
                    }
                }
            }
        }

        return new ProcessTree(members);
    }

    /// <summary>Whether a pid is one of the tree's.</summary>
    internal bool Contains(int processId)
    {
        foreach (int id in ProcessIds)
        {
            if (id == processId)
            {
                return true;
            }
        }

        return false;
    }

    internal static CracException NotFound(int processId) => new(
        CracReason.ProcessNotFound,
        $"There is no process with id {processId}.",
        "List the processes with Get-Process; a process in a container has another id inside than outside.")
    {
        ProcessId = processId,
    };

    /// <summary>
    /// Reads one process. <paramref name="children"/> is null where the kernel has no /proc/PID/task/TID/children
    /// (CONFIG_PROC_CHILDREN). Null when the process is gone, or is no longer the child of its expected parent.
    /// </summary>
    private static ProcessTreeMember? ReadMember(int processId, int? expectedParent, out List<int>? children)
    {
        children = null;
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        if (directory is null || ProcessStatus.TryRead(directory) is not { } status)
        {
            return null;
        }

        if (expectedParent is { } parent && status.ParentProcessId != parent)
        {
            return null;
        }

        List<int> threads = directory.ReadNumbers("task") ?? [];
        if (threads.Count == 0)
        {
            threads.Add(processId);
        }

        children = ReadChildren(directory, threads);
        return new ProcessTreeMember(status, threads);
    }

    private static List<int>? ReadChildren(ProcessDirectory directory, List<int> threads)
    {
        // Children belong to the thread that made them, so each thread has a list of its own.
        List<int>? children = null;
        foreach (int thread in threads)
        {
            if (!directory.TryRead($"task/{thread}/children", out ProcText text, expectedLength: 256))
            {
                continue;
            }

            using (text)
            {
                children ??= [];
                var words = new AsciiReader(text.Bytes);
                for (ReadOnlySpan<byte> word = words.ReadWord(); !word.IsEmpty; word = words.ReadWord())
                {
                    children.Add((int)AsciiReader.ParseInt64(word));
                }
            }
        }

        return children;
    }

    /// <summary>Finds the descendants by one pass over all processes, each of which names its parent.</summary>
    private static void AddByParents(List<ProcessTreeMember> members)
    {
        var childrenOf = new Dictionary<int, List<int>>();
        foreach (int processId in ProcessDirectory.ReadProcessIds() ?? [])
        {
            using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
            if (directory is not null && ProcessStatus.TryReadStat(directory) is { } status)
            {
                if (!childrenOf.TryGetValue(status.ParentProcessId, out List<int>? siblings))
                {
                    childrenOf.Add(status.ParentProcessId, siblings = []);
                }

                siblings.Add(processId);
            }
        }

        for (int i = 0; i < members.Count; i++)
        {
            int parent = members[i].ProcessId;
            if (!childrenOf.Remove(parent, out List<int>? children))
            {
                continue;
            }

            foreach (int child in children)
            {
                if (ReadMember(child, parent, out _) is { } member)
                {
                    members.Add(member);
                }
            }
        }
    }
}
