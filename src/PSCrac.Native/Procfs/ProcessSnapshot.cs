using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// The state of one process, read without stopping it. The parts are read one after another while the process runs,
/// so they may be slightly inconsistent.
/// </summary>
internal sealed class ProcessSnapshot
{
    private SharedTables.NetworkNamespace? _network;

    private ProcessSnapshot(ProcessTreeMember member, ProcessCommandLine commandLine)
    {
        Member = member;
        CommandLine = commandLine;
    }

    /// <summary>The process in its tree.</summary>
    internal ProcessTreeMember Member { get; }

    /// <summary>The pid.</summary>
    internal int ProcessId => Member.ProcessId;

    /// <summary>The status.</summary>
    internal ProcessStatus Status => Member.Status;

    /// <summary>The command line.</summary>
    internal ProcessCommandLine CommandLine { get; }

    /// <summary>Whether the members below could be read. False for a zombie, which has none of them, and for another user's process.</summary>
    internal bool IsReadable { get; private init; }

    /// <summary>The open descriptors.</summary>
    internal IReadOnlyList<ProcessDescriptor> Descriptors { get; private init; } = [];

    /// <summary>The memory areas, without anonymous memory; of consecutive areas of one file, only the first.</summary>
    internal IReadOnlyList<MemoryArea> Areas { get; private init; } = [];

    /// <summary>The namespaces; null if they could not be read.</summary>
    internal ProcessNamespaces? Namespaces { get; private init; }

    /// <summary>The mounts that are visible to it; null if they could not be read. Processes in one mount namespace share one table.</summary>
    internal MountTable? Mounts { get; private init; }

    /// <summary>The sockets of its network namespace that the tree has open, and all unix sockets; null if the process has no socket.</summary>
    internal SocketTable? Sockets => _network?.Table;

    /// <summary>The kernel's protocol names of its sockets, by inode.</summary>
    internal IReadOnlyDictionary<ulong, string?> SocketProtocols { get; private init; } = new Dictionary<ulong, string?>();

    /// <summary>The control groups.</summary>
    internal IReadOnlyList<ProcessCgroup> Cgroups { get; private init; } = [];

    /// <summary>The timers of timer_create(2).</summary>
    internal IReadOnlyList<PosixTimer> Timers { get; private init; } = [];

    /// <summary>The initial environment, one NAME=value per element, without later changes.</summary>
    internal IReadOnlyList<string> Environment { get; private init; } = [];

    /// <summary>The status of the executable; null if it could not be read.</summary>
    internal FileStatus? ExecutableStatus { get; private init; }

    /// <summary>Whether the executable is a 32-bit program.</summary>
    internal bool Is32Bit { get; private init; }

    /// <summary>Finds the socket of a descriptor, at least with its protocol name; null if the descriptor is not a socket.</summary>
    internal SocketEntry? FindSocket(ProcessDescriptor descriptor)
    {
        if (descriptor.Kind != DescriptorKind.Socket)
        {
            return null;
        }

        string? name = SocketProtocols.GetValueOrDefault(descriptor.Status.Inode);
        SocketEntry? listed = Sockets?.Find(descriptor.Status.Inode);
        return listed is not null
            ? listed with { ProtocolName = name }
            : new SocketEntry
            {
                Inode = descriptor.Status.Inode,
                Protocol = SocketTable.ProtocolOf(name),
                ProtocolName = name,
                State = CracSocketState.Closed,
            };
    }

    /// <summary>Reads a member of a tree; null if it has ended. Tables of namespaces that were already read for other members come from <paramref name="shared"/>.</summary>
    internal static ProcessSnapshot? TryRead(ProcessTreeMember member, SharedTables shared)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(member.ProcessId);
        ProcessCommandLine? command = directory is null ? null : ProcessCommandLine.TryRead(directory);
        if (directory is null || command is null)
        {
            return null;
        }

        if (member.Status.HasEnded)
        {
            return new ProcessSnapshot(member, command);
        }

        if (DescriptorTable.TryRead(directory) is not { } descriptors)
        {
            // Another user's process, or one that has ended since the tree was read: the new status shows which.
            return ProcessStatus.TryRead(directory) is { } now ? new ProcessSnapshot(member with { Status = now }, command) : null;
        }

        ProcessNamespaces? namespaces = ProcessNamespaces.TryRead(directory);
        Dictionary<ulong, string?> protocols = ReadProtocols(member.ProcessId, descriptors);
        return new ProcessSnapshot(member, command)
        {
            IsReadable = true,
            Descriptors = descriptors,
            Areas = MemoryMap.TryRead(directory, namedOnly: true) ?? (IReadOnlyList<MemoryArea>)[],
            Namespaces = namespaces,
            Mounts = shared.Mounts(directory, namespaces),
            SocketProtocols = protocols,
            _network = protocols.Count == 0 ? null : shared.AddSockets(member.ProcessId, namespaces, protocols),
            Cgroups = ProcessCgroup.TryRead(directory) ?? (IReadOnlyList<ProcessCgroup>)[],
            Timers = PosixTimer.TryRead(directory) ?? (IReadOnlyList<PosixTimer>)[],
            Environment = ReadEnvironment(directory),
            ExecutableStatus = directory.TryStat("exe", out FileStatus executable) ? executable : null,
            Is32Bit = ReadIs32Bit(directory),
        };
    }

    private static Dictionary<ulong, string?> ReadProtocols(int processId, List<ProcessDescriptor> descriptors)
    {
        var protocols = new Dictionary<ulong, string?>();
        foreach (ProcessDescriptor descriptor in descriptors)
        {
            if (descriptor.Kind == DescriptorKind.Socket && !protocols.ContainsKey(descriptor.Status.Inode))
            {
                protocols.Add(descriptor.Status.Inode, LibC.ReadSocketProtocolName(processId, descriptor.Number));
            }
        }

        return protocols;
    }

    private static List<string> ReadEnvironment(ProcessDirectory directory)
    {
        if (!directory.TryRead("environ", out ProcText text))
        {
            return [];
        }

        using (text)
        {
            return ProcessCommandLine.SplitAtNul(text.Bytes);
        }
    }

    private static bool ReadIs32Bit(ProcessDirectory directory)
    {
        // The fifth byte of an ELF file is its class: elf(5).
        using Microsoft.Win32.SafeHandles.SafeFileHandle executable = directory.Open("exe");
        Span<byte> start = stackalloc byte[5];
        return !executable.IsInvalid
            && LibC.Read(executable, start, out _) == start.Length
            && start[..4].SequenceEqual("\u007fELF"u8)
            && start[4] == 1;
    }
}
