using System.Text;
using PSCrac.Procfs;
using PSCrac.Tests.Support;
using Xunit;

namespace PSCrac.Tests.Procfs;

public class ProcessSnapshotTests
{
    [ProgramFact("python3")]
    public void Every_kind_of_descriptor_is_recognized()
    {
        using var program = TestProgram.Start("python3", ["-c", """
            import ctypes, fcntl, os, select, socket, sys, time
            libc = ctypes.CDLL(None)
            def at(number, fd):
                os.dup2(fd, number)
            at(50, os.open("plain (deleted)", os.O_RDWR | os.O_CREAT | os.O_APPEND))
            gone = os.open("gone", os.O_RDWR | os.O_CREAT); os.unlink("gone"); at(51, gone)
            at(52, os.pipe()[1])
            os.mkfifo("fifo"); at(53, os.open("fifo", os.O_RDWR))
            at(54, os.eventfd(3))
            poll = select.epoll(); poll.register(54, 1); at(55, poll.fileno())
            at(56, libc.timerfd_create(1, 0))
            at(57, os.memfd_create("name"))
            at(58, os.pidfd_open(os.getpid()))
            at(59, os.open("/proc/self/ns/net", os.O_RDONLY))
            master, slave = os.openpty(); at(60, master); at(61, slave)
            at(62, os.open("/dev/null", os.O_RDWR))
            lock = os.open("lock", os.O_RDWR | os.O_CREAT); at(63, lock); os.close(lock); fcntl.lockf(63, fcntl.LOCK_EX, 10, 5)
            at(64, os.open(".", os.O_RDONLY))
            os.write(50, b"12345")
            print("ready", flush=True)
            time.sleep(600)
            """]);
        program.WaitForLine("ready");

        Dictionary<int, ProcessDescriptor> all = DescriptorTable.Read(program.ProcessId).ToDictionary(each => each.Number);

        Assert.Equal(
            [
                DescriptorKind.RegularFile, DescriptorKind.RegularFile, DescriptorKind.Pipe, DescriptorKind.Fifo, DescriptorKind.Event,
                DescriptorKind.EventPoll, DescriptorKind.Timer, DescriptorKind.MemoryFile, DescriptorKind.ProcessHandle, DescriptorKind.Namespace,
                DescriptorKind.TerminalMaster, DescriptorKind.Terminal, DescriptorKind.CharacterDevice, DescriptorKind.RegularFile, DescriptorKind.Directory,
            ],
            Enumerable.Range(50, 15).Select(number => all[number].Kind));
        Assert.EndsWith("/plain (deleted)", all[50].Target, StringComparison.Ordinal);
        Assert.False(all[50].IsUnlinked);
        Assert.True(all[50] is { IsAppending: true, CanRead: true, CanWrite: true, Position: 5, Status.SizeBytes: 5 });
        Assert.EndsWith("/gone", all[51].Target, StringComparison.Ordinal);
        Assert.True(all[51] is { IsUnlinked: true, Status.LinkCount: 0 });
        Assert.True(all[52] is { CanRead: false, CanWrite: true });
        Assert.Equal(54, Assert.Single(all[55].PollTargets).Descriptor);
        Assert.Equal(1, all[56].ClockId);
        Assert.Equal(program.ProcessId, all[58].TargetProcessId);
        Assert.NotNull(all[60].TerminalIndex);
        Assert.Equal(all[60].TerminalIndex, all[61].TerminalIndex);
        FileLock held = Assert.Single(all[63].Locks);
        Assert.Equal(new FileLock(FileLockKind.Posix, true, false, program.ProcessId, 5, 14), held);
        Assert.Equal(all[64].Status.Device, all[50].Status.Device);
        Assert.True(all[64].MountId > 0);
    }

    [ProgramFact("python3")]
    public void Sockets_are_found_with_their_peers_also_in_another_network_namespace()
    {
        foreach (string wrapper in (string[])["env", "unshare -n"])
        {
            string[] words = [.. wrapper.Split(' '), "python3", "-c", """
                import os, socket, time
                def at(number, s):
                    os.dup2(s.fileno(), number)
                a, b = socket.socketpair(); at(50, a); at(51, b)
                u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", 5353)); at(52, u)
                t = socket.socket(); t.bind(("0.0.0.0", 0)); t.listen(); at(53, t)
                n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); n.bind((0, 1)); at(54, n)
                x = socket.socket(); at(55, x)
                print("ready", flush=True)
                time.sleep(600)
                """];
            using var program = TestProgram.Start(words[0], words[1..]);
            program.WaitForLine("ready");

            ProcessSnapshot root = ProcessTreeSnapshot.Read(program.ProcessId).Root;
            SocketEntry Of(int number) => root.FindSocket(root.Descriptors.First(each => each.Number == number))!;

            Assert.Equal(Of(51).Inode, Of(50).PeerInode);
            Assert.Equal(UnixSocketType.Stream, Of(50).UnixType);
            Assert.True(Of(52) is { Protocol: SocketProtocol.Udp, Local.Port: 5353, IsConnected: false }, $"{wrapper}: {Of(52)}");
            Assert.True(Of(53) is { Protocol: SocketProtocol.Tcp, State: CracSocketState.Listening, Local.Port: > 0 });
            Assert.True(Of(54) is { Protocol: SocketProtocol.Netlink, NetlinkGroups: 1, NetlinkPort: > 0 });
            Assert.True(Of(55) is { Protocol: SocketProtocol.Tcp, State: CracSocketState.Closed, ProtocolName: "TCP" });
        }
    }

    [Fact]
    public void Areas_of_a_map_have_their_kinds()
    {
        string maps = """
            00400000-00401000 r-xp 00000000 fe:00 12                                 /a\040b
            00600000-00601000 rw-s 00000000 00:01 0                                  /SYSV00000000 (deleted)
            00700000-00701000 rw-s 00000000 00:01 5                                  /dev/zero (deleted)
            00800000-00801000 rw-s 00000000 00:01 6                                  /memfd:x (deleted)
            00900000-00901000 rw-s 00000000 00:0e 7                                  anon_inode:[io_uring]
            00a00000-00a01000 r--p 00000000 fe:00 8                                  /lib/x.so (deleted)
            00a01000-00a02000 rw-p 00001000 fe:00 8                                  /lib/x.so (deleted)
            00b00000-00b01000 rw-p 00000000 00:00 0                                  [heap]
            00c00000-00c01000 r-xp 00000000 00:00 0                                  [vdso]
            """;
        byte[] bytes = Encoding.UTF8.GetBytes(maps + "\n");

        List<MemoryArea> all = MemoryMap.Parse(bytes, namedOnly: false);
        Assert.Equal(
            [
                MemoryAreaKind.File, MemoryAreaKind.SysVSegment, MemoryAreaKind.SharedAnonymous, MemoryAreaKind.MemoryFile, MemoryAreaKind.KernelObject,
                MemoryAreaKind.File, MemoryAreaKind.File, MemoryAreaKind.Anonymous, MemoryAreaKind.Kernel,
            ],
            all.Select(area => area.Kind));
        Assert.Equal("/a b", all[0].Path);
        Assert.True(all[0] is { Start: 0x400000, LengthBytes: 4096, IsExecutable: true, IsWritable: false, IsShared: false, IsUnlinked: false });
        Assert.True(all[5] is { Path: "/lib/x.so", IsUnlinked: true });
        Assert.Equal(6, MemoryMap.Parse(bytes, namedOnly: true).Count);
    }

    [Fact]
    public void A_mount_table_finds_mounts_and_covering_mounts()
    {
        MountTable table = MountTable.Parse("""
            27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw
            30 27 0:30 / /mnt/a\040b ro,nosuid - tmpfs none ro
            31 30 0:31 /sub /mnt/a\040b rw - tmpfs none rw

            """u8);

        Assert.Equal("ext4", table.Find(27)!.FileSystem);
        Assert.True(table.Find(30) is { Point: "/mnt/a b", IsReadOnly: true });
        Assert.Equal("/sub", table.Find(31)!.Root);
        Assert.True(table.IsCovered(table.Find(30)!));
        Assert.False(table.IsCovered(table.Find(31)!));
        Assert.Equal(31, table.FindByPath("/mnt/a b/c")!.Id);
        Assert.Equal(27, table.FindByPath("/mnt/a bc")!.Id);
        Assert.Null(table.Find(99));
    }

    [Fact]
    public void A_process_of_nobody_and_a_kernel_thread_do_no_harm()
    {
        Assert.Equal(CracReason.ProcessNotFound, Assert.Throws<CracException>(() => DescriptorTable.Read(int.MaxValue)).Reason);
        Assert.Equal(CracReason.ProcessNotFound, Assert.Throws<CracException>(() => ProcessTreeSnapshot.Read(int.MaxValue)).Reason);
        if (ProcessStatus.TryRead(2) is { IsKernelThread: true })
        {
            Assert.Empty(MemoryMap.Read(2));
            Assert.Equal("[kthreadd]", ProcessCommandLine.Read(2).Display);
        }
    }
}
