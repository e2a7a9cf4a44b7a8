using System.Net;
using PSCrac.Images.Operations;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Images.Model;

/// <summary>The members of the sample images.</summary>
[Collection(Zoo.Collection)]
public class CracImageCollectionTests(Zoo zoo)
{
    [CriuFact("python3")]
    public void Every_kind_of_descriptor_is_read()
    {
        CracImageProcess root = zoo.Host.Processes[0];
        CracFileKind[] kinds = [.. root.Files.Where(f => f.Role == CracFileRole.Descriptor).Select(f => f.Kind).Distinct()];
        foreach (CracFileKind kind in Enum.GetValues<CracFileKind>())
        {
            // Those that this machine or this program cannot make.
            if (kind is not (CracFileKind.Unknown or CracFileKind.Namespace or CracFileKind.Tun or CracFileKind.External or CracFileKind.BpfMap))
            {
                Assert.Contains(kind, kinds);
            }
        }

        Assert.Equal(root.DescriptorCount, root.Files.Count(f => f.Role == CracFileRole.Descriptor));
        Assert.EndsWith("/files", root.WorkingDirectory);
        Assert.Contains("python3", root.Executable);
        CracImageFile read = root.Files.Single(f => f.Path.EndsWith("/read", StringComparison.Ordinal));
        Assert.Equal(4, read.Position);
        Assert.Equal(10, read.Size);
        Assert.StartsWith("O_RDONLY", read.Flags);
        Assert.False(read.IsDeleted);
        Assert.Contains("O_APPEND", root.Files.Single(f => f.Path.EndsWith("/append", StringComparison.Ordinal)).Flags);
        Assert.True(root.Files.Single(f => f.Path.EndsWith("/gone", StringComparison.Ordinal)).IsDeleted);
        Assert.Equal(["/memfd:zoo", "/memfd:zoo unmapped"], root.Files.Where(f => f.Kind == CracFileKind.MemFd).Select(f => f.Path).Distinct().Order());

        // POSIX, flock, open file description, lease: criu's FL_ bits.
        Assert.Equal<ulong>([1, 2, 4, 8], [.. new ImageContentReader(zoo.Host).Read("file-locks").Select(l => l.GetNumber("flag")).Distinct().Order()]);
        Assert.Equal(2, root.Files.Count(f => f.Kind == CracFileKind.Terminal && f.Path.StartsWith("/dev/pt", StringComparison.Ordinal)));
    }

    [CriuFact("python3")]
    public void Sockets_have_addresses_states_and_peers()
    {
        IReadOnlyList<CracImageSocket> sockets = zoo.Host.Processes[0].Sockets;
        CracImageSocket listening = sockets.Single(s => s is { Family: CracSocketFamily.Inet, State: CracSocketState.Listening });
        Assert.Equal("tcp", listening.Protocol);
        Assert.Equal(7, listening.Backlog);
        Assert.Equal(IPAddress.Loopback, IPEndPoint.Parse(listening.Local).Address);
        Assert.True(listening.Options!.GetFlag("reuseaddr"));

        CracImageSocket[] connected = [.. sockets.Where(s => s is { Family: CracSocketFamily.Inet, State: CracSocketState.Established })];
        Assert.Equal(2, connected.Length);
        Assert.Equal(connected[0].Local, connected[1].Remote);
        Assert.Contains(listening.Local, connected.Select(s => s.Local));

        Assert.StartsWith("[::1]:", sockets.Single(s => s.Family == CracSocketFamily.Inet6).Local);
        Assert.Equal("icmp", sockets.Single(s => s.Type == "raw" && s.Family == CracSocketFamily.Inet).Protocol);
        Assert.Contains(sockets, s => s.Family == CracSocketFamily.Unix && s.Local.EndsWith("/a name = with odd\tbytes.sock", StringComparison.Ordinal));
        Assert.Contains(sockets, s => s.Family == CracSocketFamily.Unix && s.Local.StartsWith("@zoo-", StringComparison.Ordinal));
        Assert.Contains(sockets, s => s.Family == CracSocketFamily.Unix && s.Type == "seqpacket" && s.Remote.StartsWith("socket:[", StringComparison.Ordinal));
        Assert.Contains(sockets, s => s.Family == CracSocketFamily.Netlink);
        Assert.Contains(sockets, s => s is { Family: CracSocketFamily.Inet, Protocol: "udp" });
        Assert.Equal("0x0003", sockets.Single(s => s.Family == CracSocketFamily.Packet).Protocol);
    }

    [CriuFact("python3")]
    public void Areas_have_their_files_and_dumped_sizes()
    {
        CracImage image = zoo.Host;
        CracImageProcess root = image.Processes[0];
        Assert.Contains(root.MemoryAreas, a => a.Path == "[stack]" && a.Protection == "rw-p" && a.Dumped > 0);
        Assert.Contains(root.MemoryAreas, a => a.Path == "[heap]");
        Assert.Contains(root.MemoryAreas, a => a.Path == "/memfd:zoo" && a.IsShared && a.Dumped == 4096);
        Assert.Contains(root.MemoryAreas, a => a.Path.EndsWith("/mapped", StringComparison.Ordinal) && a.Protection == "rw-s" && a.Dumped == 0);
        Assert.Contains(root.MemoryAreas, a => a.Path.StartsWith("/dev/shm/", StringComparison.Ordinal) && a.Path.EndsWith("/named", StringComparison.Ordinal) && a.IsShared);
        Assert.Contains(root.MemoryAreas, a => a.Path.StartsWith("/dev/shm/", StringComparison.Ordinal) && a.Path.EndsWith("/unlinked", StringComparison.Ordinal) && a.IsShared);
        Assert.Contains(root.MemoryAreas, a => a.Protection == "r-xp" && a.Path.Contains("python", StringComparison.Ordinal));
        Assert.Equal(root.Memory, root.MemoryAreas.Where(a => !a.IsShared).Sum(a => a.Dumped));
        Assert.Equal(root.VirtualMemory, root.MemoryAreas.Sum(a => a.Size));
    }

    [CriuFact("python3")]
    public void Command_line_and_environment_are_read_from_memory()
    {
        CracImage image = zoo.Host;
        Assert.Equal(2, image.CommandLine.Count);
        Assert.EndsWith("python3", image.CommandLine[0]);
        Assert.EndsWith("/zoo.py", image.CommandLine[1]);
        Assert.Contains("ZOO_WITHOUT=sysv,tun", image.Environment);
        Assert.All(image.Environment, e => Assert.Contains('=', e));
    }

    [CriuFact("python3")]
    public void Timers_have_their_remaining_time()
    {
        CracImageProcess root = zoo.Host.Processes[0];
        CracImageTimer real = root.Timers.Single(t => t.Kind == CracTimerKind.Real);
        Assert.Equal(TimeSpan.FromSeconds(60), real.Interval);
        Assert.InRange(real.Remaining, TimeSpan.FromSeconds(4900), TimeSpan.FromSeconds(5000));
        CracImageTimer posix = root.Timers.Single(t => t.Kind == CracTimerKind.Posix);
        Assert.InRange(posix.Remaining, TimeSpan.FromSeconds(6900), TimeSpan.FromSeconds(7000));
        Assert.Equal(TimeSpan.FromSeconds(100), TimeSpan.FromSeconds(Math.Round(posix.Interval.TotalSeconds)));
        CracImageTimer descriptor = root.Timers.Single(t => t.Kind == CracTimerKind.Descriptor);
        Assert.Equal(1, descriptor.Clock);
        Assert.Equal(TimeSpan.FromSeconds(100), descriptor.Interval);
    }

    [CriuFact("python3")]
    public void Processes_have_credentials_and_states()
    {
        CracImage image = zoo.Host;
        Assert.Equal(0u, image.Processes[0].Credentials!.UserId);
        Assert.NotEqual(0ul, image.Processes[0].Credentials!.EffectiveCapabilities);
        Assert.Equal(4, image.Processes[0].ThreadIds.Count);
        CracImageProcess zombie = image.Processes.Single(p => p.State is CracProcessState.Dead or CracProcessState.Zombie);
        Assert.Null(zombie.Credentials);
        Assert.Empty(zombie.Files);
        Assert.Empty(zombie.MemoryAreas);
        Assert.Empty(zombie.CommandLine);
        Assert.Empty(zombie.Timers);
        Assert.Null(zombie.Executable);
        Assert.Contains(image.Processes, p => p.SessionId == p.ProcessId && p.ParentProcessId == image.RootProcessId);
    }

    [CriuFact("python3", "unshare", "ip")]
    public void Namespaces_and_mounts_are_read()
    {
        CracImage image = zoo.Namespaces;
        foreach (string kind in (string[])["uts", "ipc", "net", "mnt"])
        {
            CracImageNamespace own = Assert.Single(image.Namespaces, n => n.Kind == kind);
            Assert.False(own.IsHost, kind);
            Assert.NotEmpty(own.ProcessIds);
        }

        Assert.True(image.Namespaces.Single(n => n.Kind == "user").IsHost);
        Assert.Equal(Environment.MachineName, image.Namespaces.Single(n => n.Kind == "uts").Details!.GetText("nodename"));
        CracImageMount mount = image.Mounts.Single(m => m.MountPoint.EndsWith("/mount", StringComparison.Ordinal));
        Assert.Equal("tmpfs", mount.FileSystem);
        Assert.Equal("zoo", mount.Source);
        Assert.Contains(image.Mounts, m => m.MountPoint == "/");
        Assert.True(zoo.Host.Mounts.Count == 0 && zoo.Host.Namespaces.All(n => n.IsHost));
        Assert.Contains(image.Files, f => f.Kind == CracFileKind.Tun);
    }
}
