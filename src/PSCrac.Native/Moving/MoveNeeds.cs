using System.Net;
using System.Runtime.InteropServices;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Moving;

/// <summary>Reads what a process needs on another host, while it runs.</summary>
internal static class MoveNeeds
{
    // Kernel files, which every host has of its own, and which criu opens again without comparing them.
    private static readonly string[] s_kernelFolders = ["/proc/", "/sys/", "/dev/"];

    private const long LeastMemory = 64 << 20;

    /// <summary>Reads it.</summary>
    /// <param name="tree">The process tree.</param>
    /// <param name="request">How it is moved.</param>
    /// <param name="imageName">The name that its image gets.</param>
    internal static MoveQuestion Read(ProcessTreeSnapshot tree, MoveRequest request, string imageName)
    {
        var files = new Dictionary<string, MoveFile>(StringComparer.Ordinal);
        var listeners = new SortedSet<string>(StringComparer.Ordinal);
        foreach (ProcessSnapshot member in tree.Members)
        {
            // The paths of another mount namespace are those of the mounts that go with it, and so are the ports of a network namespace.
            if (tree.RootOf(member).Length == 0)
            {
                AddFiles(files, member);
            }

            if (tree.OwnNamespaces is { } own && member.Namespaces is { } theirs && own.Shares(NamespaceKind.Network, theirs))
            {
                AddListeners(listeners, member);
            }
        }

        return new MoveQuestion
        {
            Architecture = RuntimeInformation.ProcessArchitecture.ToString(),
            ProcessorFeatures = ProcessorFeatures.Read(),
            Files = [.. files.Values],
            Ids = ReadIds(tree),
            PidNamespace = request.PidNamespace,
            Listeners = [.. listeners],
            Bytes = tree.Tree.AnonymousBytes,
            ImageName = imageName,
            LazyPages = request.LazyPages,
            Areas = request.LazyPages ? [.. tree.Members.Select(static member => FindLargestArea(member.ProcessId)).OfType<MoveArea>()] : [],
        };
    }

    /// <summary>The addresses of this side that established TCP connections of a tree have, without those of both ends in the tree.</summary>
    internal static IReadOnlyList<IPAddress> FindConnectionAddresses(ProcessTreeSnapshot tree)
    {
        var found = new List<IPAddress>();
        foreach (ProcessSnapshot member in tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (member.FindSocket(descriptor) is { Protocol: SocketProtocol.Tcp, IsConnected: true, Local.Address: { } address } && !IPAddress.IsLoopback(address) && !found.Contains(address))
                {
                    found.Add(address);
                }
            }
        }

        return found;
    }

    // What is only reserved shows in no other file of /proc, and this one takes longer where more memory is in use.
    private static MoveArea? FindLargestArea(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        if (directory is null || MemoryMap.TryRead(directory, namedOnly: false)?.Exists(static area => IsLarge(area.IsShared, area.LengthBytes)) != true)
        {
            return null;
        }

        MoveArea? largest = null;
        foreach (MemoryAccount area in MemoryAccount.Read(directory))
        {
            if (IsLarge(area.IsShared, area.LengthBytes) && area.IsCounted && !(largest?.Size >= area.LengthBytes))
            {
                largest = new MoveArea(processId, area.Start, area.LengthBytes);
            }
        }

        return largest;

        // No host that can run PowerShell has less memory.
        static bool IsLarge(bool isShared, long length) => !isShared && length > LeastMemory;
    }

    private static List<int> ReadIds(ProcessTreeSnapshot tree)
    {
        // The ids that the image will hold are those of the innermost namespace; of threads only those of this namespace are known.
        bool isInner = tree.Root.Status.NamespaceProcessIds.Count > 1;
        return isInner ? [.. tree.Members.Select(static member => member.Status.InnermostProcessId)] : [.. tree.Tree.ThreadIds];
    }

    private static void AddFiles(Dictionary<string, MoveFile> files, ProcessSnapshot member)
    {
        foreach (ProcessDescriptor descriptor in member.Descriptors)
        {
            if (descriptor is { HasPath: true, IsUnlinked: false, Kind: DescriptorKind.RegularFile or DescriptorKind.Directory or DescriptorKind.Fifo or DescriptorKind.SymbolicLink })
            {
                bool isAppended = descriptor is { CanRead: false, IsAppending: true };
                Add(files, descriptor.Target, descriptor.Status, descriptor.Kind == DescriptorKind.RegularFile && !isAppended, buildId: null);
            }
        }

        foreach (MemoryArea area in member.Areas)
        {
            if (area is { Kind: MemoryAreaKind.File, IsUnlinked: false } && !files.ContainsKey(area.Path) && FileStatus.TryRead(area.Path, 0, out FileStatus status, out _))
            {
                Add(files, area.Path, status, hasFixedSize: true, ElfBuildId.TryRead(area.Path) is { } id ? Convert.ToHexStringLower(id) : null);
            }
        }
    }

    private static void Add(Dictionary<string, MoveFile> files, string path, in FileStatus status, bool hasFixedSize, string? buildId)
    {
        if (!Array.Exists(s_kernelFolders, folder => path.StartsWith(folder, StringComparison.Ordinal)))
        {
            files[path] = new MoveFile
            {
                Path = path,
                Kind = (uint)status.Type,
                Size = status.SizeBytes,
                Mode = (uint)status.Mode & MoveSuitability.PermissionMask,
                HasFixedSize = hasFixedSize,
                BuildId = buildId,
            };
        }
    }

    private static void AddListeners(SortedSet<string> listeners, ProcessSnapshot member)
    {
        foreach (ProcessDescriptor descriptor in member.Descriptors)
        {
            if (member.FindSocket(descriptor) is not { Local: { Port: > 0 } local } socket)
            {
                continue;
            }

            if (socket is { Protocol: SocketProtocol.Tcp, State: CracSocketState.Listening })
            {
                listeners.Add($"tcp {local}");
            }
            else if (socket is { Protocol: SocketProtocol.Udp, IsConnected: false })
            {
                listeners.Add($"udp {local}");
            }
        }
    }
}
