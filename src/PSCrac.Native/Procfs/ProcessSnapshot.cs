using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>
/// What there is to know about one process without stopping it. The parts are read one after the other while the process runs,
/// so they may not fit together to the last detail.
/// </summary>
internal sealed class ProcessSnapshot
{
    private SharedTables.NetworkNamespace? _network;

    private ProcessSnapshot(ProcessTreeMember member, ProcessCommandLine commandLine)
    {
        Member = member;
        CommandLine = commandLine;
    }

    /// <summary>The process as its tree lists it.</summary>
    internal ProcessTreeMember Member { get; }

    /// <summary>The pid.</summary>
    internal int ProcessId => Member.ProcessId;

    /// <summary>The status.</summary>
    internal ProcessStatus Status => Member.Status;

    /// <summary>What it runs.</summary>
    internal ProcessCommandLine CommandLine { get; }

    /// <summary>Whether what follows could be read. False for a zombie, which has none of it, and for a process of someone else.</summary>
    internal bool IsReadable { get; private init; }

    /// <summary>The open descriptors.</summary>
    internal IReadOnlyList<ProcessDescriptor> Descriptors { get; private init; } = [];

    /// <summary>What is mapped, apart from plain memory; of areas in a row that map the same file, the first.</summary>
    internal IReadOnlyList<MemoryArea> Areas { get; private init; } = [];

    /// <summary>The namespaces; null when they could not be read.</summary>
    internal ProcessNamespaces? Namespaces { get; private init; }

    /// <summary>The mounts it sees; null when they could not be read. Processes in one mount namespace share one table.</summary>
    internal MountTable? Mounts { get; private init; }

    /// <summary>The sockets of its network namespace that it has open, and all unix sockets; null when it has no socket.</summary>
    internal SocketTable? Sockets => _network?.Table;

    /// <summary>The kernel's names of the protocols of its socket descriptors, by inode.</summary>
    internal IReadOnlyDictionary<ulong, string?> SocketProtocols { get; private init; } = new Dictionary<ulong, string?>();

    /// <summary>The control groups.</summary>
    internal IReadOnlyList<ProcessCgroup> Cgroups { get; private init; } = [];

    /// <summary>The timers of timer_create(2).</summary>
    internal IReadOnlyList<PosixTimer> Timers { get; private init; } = [];

    /// <summary>The environment the process was started with, NAME=value each; what it changed since is not seen.</summary>
    internal IReadOnlyList<string> Environment { get; private init; } = [];

    /// <summary>The status of the program file; null when it could not be read.</summary>
    internal FileStatus? ExecutableStatus { get; private init; }

    /// <summary>Whether the program is a 32-bit one.</summary>
    internal bool Is32Bit { get; private init; }

    /// <summary>The socket behind a descriptor, at least with its protocol's name; null when the descriptor is no socket.</summary>
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

    /// <summary>Reads one member of a tree; null when it is gone. What other members have already read of shared namespaces is taken from <paramref name="shared"/>.</summary>
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
            // Someone else's process, or one that has ended since the tree was read: its status tells.
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
        // The fifth byte of an ELF file tells its class: elf(5).
        using Microsoft.Win32.SafeHandles.SafeFileHandle executable = directory.Open("exe");
        Span<byte> start = stackalloc byte[5];
        return !executable.IsInvalid
            && LibC.Read(executable, start, out _) == start.Length
            && start[..4].SequenceEqual("\u007fELF"u8)
            && start[4] == 1;
    }
}
