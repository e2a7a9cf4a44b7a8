namespace PSCrac.Procfs;

/// <summary>A process of a <see cref="ProcessTree"/>.</summary>
/// <param name="Status">The process's status when the tree was read.</param>
/// <param name="ThreadIds">The ids of its threads, starting with the process id.</param>
internal sealed record ProcessTreeMember(ProcessStatus Status, IReadOnlyList<int> ThreadIds)
{
    /// <summary>The pid.</summary>
    internal int ProcessId => Status.ProcessId;
}

/// <summary>
/// A process and its descendants, which criu dumps together. Read without stopping them, so processes that
/// start or end meanwhile may be missing or extra. None is listed twice, and a parent always precedes its children.
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

    /// <summary>The processes, parents before children, starting with the root. Includes zombies.</summary>
    internal IReadOnlyList<ProcessTreeMember> Members { get; }

    /// <summary>The root of the tree.</summary>
    internal ProcessTreeMember Root => Members[0];

    /// <summary>The pids, in the order of <see cref="Members"/>.</summary>
    internal IReadOnlyList<int> ProcessIds { get; }

    /// <summary>The ids of all threads of all members, including the process ids.</summary>
    internal IReadOnlyList<int> ThreadIds { get; }

    /// <summary>The resident memory of all members, in bytes; shared memory is counted for each member.</summary>
    internal long ResidentBytes { get; }

    /// <summary>The memory without a file of all members, in bytes; shared memory is counted for each member. Approximately the size of a dump.</summary>
    internal long AnonymousBytes { get; }

    /// <summary>Reads a process and its descendants.</summary>
    /// <param name="rootProcessId">The root's pid.</param>
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

    /// <summary>Whether a pid belongs to the tree.</summary>
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
        "List the processes with Get-Process; a process in a container has different ids inside and outside.")
    {
        ProcessId = processId,
    };

    /// <summary>
    /// Reads one process. <paramref name="children"/> is null if the kernel has no /proc/PID/task/TID/children
    /// (CONFIG_PROC_CHILDREN). Returns null if the process has ended or is no longer a child of the expected parent.
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
        // Children are listed under the thread that created them.
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

    /// <summary>Finds the descendants from the parent pids of all processes.</summary>
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
