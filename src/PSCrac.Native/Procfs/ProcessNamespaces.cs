namespace PSCrac.Procfs;

/// <summary>The kinds of namespaces, namespaces(7).</summary>
internal enum NamespaceKind
{
    /// <summary>Control groups.</summary>
    Cgroup,

    /// <summary>SysV and POSIX interprocess communication.</summary>
    Ipc,

    /// <summary>Mounts.</summary>
    Mount,

    /// <summary>Network.</summary>
    Network,

    /// <summary>Process ids: the one the process itself is in.</summary>
    Pid,

    /// <summary>Process ids: the one its next child will be in.</summary>
    PidForChildren,

    /// <summary>Clocks: the one the process itself is in.</summary>
    Time,

    /// <summary>Clocks: the one its next child will be in.</summary>
    TimeForChildren,

    /// <summary>Users and capabilities.</summary>
    User,

    /// <summary>Host and domain name.</summary>
    Uts,
}

/// <summary>Which namespaces a process is in: the links of /proc/PID/ns.</summary>
internal sealed class ProcessNamespaces
{
    private static readonly string[] s_links =
    [
        "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/pid", "ns/pid_for_children", "ns/time", "ns/time_for_children", "ns/user", "ns/uts",
    ];

    private readonly ulong[] _inodes;

    private ProcessNamespaces(ulong[] inodes) => _inodes = inodes;

    /// <summary>The namespace's number; 0 where the kernel has no such kind, or no longer tells (a zombie's).</summary>
    internal ulong this[NamespaceKind kind] => _inodes[(int)kind];

    /// <summary>Whether both are in the same namespace of this kind. True where either is not known.</summary>
    internal bool Shares(NamespaceKind kind, ProcessNamespaces other) =>
        this[kind] == 0 || other[kind] == 0 || this[kind] == other[kind];

    /// <summary>Reads the namespaces of an opened process; null when it is gone or may not be looked into.</summary>
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
