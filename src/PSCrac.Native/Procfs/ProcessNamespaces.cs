namespace PSCrac.Procfs;

/// <summary>The types of namespaces, namespaces(7).</summary>
internal enum NamespaceKind
{
    /// <summary>Control groups.</summary>
    Cgroup,

    /// <summary>System V and POSIX interprocess communication.</summary>
    Ipc,

    /// <summary>Mounts.</summary>
    Mount,

    /// <summary>Network.</summary>
    Network,

    /// <summary>Process ids: the namespace of the process.</summary>
    Pid,

    /// <summary>Process ids: the namespace of its new children.</summary>
    PidForChildren,

    /// <summary>Clocks: the namespace of the process.</summary>
    Time,

    /// <summary>Clocks: the namespace of its new children.</summary>
    TimeForChildren,

    /// <summary>Users and capabilities.</summary>
    User,

    /// <summary>Host and domain name.</summary>
    Uts,
}

/// <summary>The namespaces of a process: the links in /proc/PID/ns.</summary>
internal sealed class ProcessNamespaces
{
    private static readonly string[] s_links =
    [
        "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/pid_for_children", "ns/time", "ns/time_for_children", "ns/user", "ns/uts",
    ];

    private readonly ulong[] _inodes;

    private ProcessNamespaces(ulong[] inodes) => _inodes = inodes;

    /// <summary>The namespace's inode number; 0 if the kernel does not support the type or the process is a zombie.</summary>
    internal ulong this[NamespaceKind kind] => _inodes[(int)kind];

    /// <summary>Whether both are in the same namespace of this type. True if one is unknown.</summary>
    internal bool Shares(NamespaceKind kind, ProcessNamespaces other) =>
        this[kind] == 0 || other[kind] == 0 || this[kind] == other[kind];

    /// <summary>Reads the namespaces of an opened process; null if it has ended or cannot be read.</summary>
    internal static ProcessNamespaces? TryRead(ProcessDirectory directory)
    {
        ulong[] inodes = new ulong[s_links.Length];
        bool any = false;
        for (int i = 0; i < s_links.Length; i++)
        {
            // net:[4026531840]
            string? link = directory.ReadLink(s_links[i]);
            int open = link?.IndexOf('[') ?? -1;
            if (open >= 0 && ulong.TryParse(link.AsSpan(open + 1).TrimEnd(']'), out ulong inode))
            {
                inodes[i] = inode;
                any = true;
            }
        }

        return any ? new ProcessNamespaces(inodes) : null;
    }
}
