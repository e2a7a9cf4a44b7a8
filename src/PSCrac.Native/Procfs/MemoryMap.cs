namespace PSCrac.Procfs;

/// <summary>The kind of a memory area.</summary>
internal enum MemoryAreaKind
{
    /// <summary>Private anonymous memory: heaps, stacks, allocations.</summary>
    Anonymous = 0,

    /// <summary>A regular file.</summary>
    File,

    /// <summary>Shared anonymous memory: MAP_SHARED with MAP_ANONYMOUS.</summary>
    SharedAnonymous,

    /// <summary>A memory file of memfd_create(2).</summary>
    MemoryFile,

    /// <summary>A System V shared memory segment, shmat(2).</summary>
    SysVSegment,

    /// <summary>Anonymous hugetlbfs pages.</summary>
    HugePages,

    /// <summary>A device file or another file that is not regular.</summary>
    Device,

    /// <summary>A kernel object without a path, such as anon_inode:[io_uring].</summary>
    KernelObject,

    /// <summary>The ring of asynchronous I/O, io_setup(2).</summary>
    AsyncIoRing,

    /// <summary>A socket's ring, packet(7).</summary>
    Socket,

    /// <summary>Kernel pages: vdso, vvar, vsyscall.</summary>
    Kernel,

    /// <summary>Breakpoints of kernel tracing: uprobes.</summary>
    Uprobes,
}

/// <summary>A memory area of a process: a line of /proc/PID/maps (proc(5)).</summary>
/// <param name="Start">The first address.</param>
/// <param name="End">The first address after the area.</param>
/// <param name="IsShared">Whether it is a shared mapping (MAP_SHARED).</param>
/// <param name="IsWritable">Whether the process may write to it.</param>
/// <param name="IsExecutable">Whether the process may execute it.</param>
/// <param name="Kind">The kind of area.</param>
/// <param name="Device">The device of the file's file system.</param>
/// <param name="Inode">The file's inode, or the id of a System V segment; 0 without a file.</param>
/// <param name="Path">The file's path or the kernel's name in brackets, without " (deleted)"; empty if there is none.</param>
/// <param name="IsUnlinked">Whether the path was unlinked.</param>
internal sealed record MemoryArea(
    ulong Start, ulong End, bool IsShared, bool IsWritable, bool IsExecutable, MemoryAreaKind Kind, DeviceNumber Device, ulong Inode, string Path, bool IsUnlinked)
{
    /// <summary>The size, in bytes.</summary>
    internal long LengthBytes => (long)(End - Start);
}

/// <summary>Reads the memory areas of a process. Unlike smaps, this does not walk page tables, so the time does not depend on the memory size.</summary>
internal static class MemoryMap
{
    private static ReadOnlySpan<byte> UnlinkedMark => " (deleted)"u8;

    /// <summary>Reads all areas of a process, ordered by address; empty for kernel threads and zombies.</summary>
    /// <exception cref="CracException">
    /// No process has this pid (<see cref="CracReason.ProcessNotFound"/>), or it cannot be read (<see cref="CracReason.PermissionDenied"/>).
    /// </exception>
    internal static IReadOnlyList<MemoryArea> Read(int processId)
    {
        using ProcessDirectory directory = ProcessDirectory.TryOpen(processId) ?? throw ProcessTree.NotFound(processId);
        return TryRead(directory, namedOnly: false) ?? throw new CracException(
            CracReason.PermissionDenied,
            $"No permission to read the memory map of process {processId}.",
            "Run as root or as the user of the process.")
        {
            ProcessId = processId,
        };
    }

    /// <summary>
    /// Reads the areas of an opened process; null if it has ended or cannot be read.
    /// With <paramref name="namedOnly"/>, anonymous memory is left out, and of consecutive areas of one file only the first is returned.
    /// </summary>
    internal static List<MemoryArea>? TryRead(ProcessDirectory directory, bool namedOnly)
    {
        if (!directory.TryRead("maps", out ProcText text, expectedLength: 32768))
        {
            return null;
        }

        using (text)
        {
            return Parse(text.Bytes, namedOnly);
        }
    }

    internal static List<MemoryArea> Parse(ReadOnlySpan<byte> text, bool namedOnly)
    {
        var areas = new List<MemoryArea>();
        ReadOnlySpan<byte> previousName = default;
        bool previousShared = false;
        ulong previousInode = 0;
        var lines = new AsciiReader(text);
        while (lines.TryReadLine(out ReadOnlySpan<byte> line))
        {
            // 7f00deadb000-7f00deadc000 r-xp 00000000 fe:00 1234    /usr/bin/sleep
            var words = new AsciiReader(line);
            ReadOnlySpan<byte> range = words.ReadWord();
            ReadOnlySpan<byte> permissions = words.ReadWord();
            words.Skip(1);
            ReadOnlySpan<byte> device = words.ReadWord();
            ulong inode = words.ReadUInt64();
            words.SkipBlanks();
            ReadOnlySpan<byte> name = words.Rest;
            bool shared = permissions.Length > 3 && permissions[3] == 's';
            if (namedOnly)
            {
                bool plain = inode == 0 && (name.IsEmpty || name[0] == '[' && !name.SequenceEqual("[uprobes]"u8));
                if (plain || (inode == previousInode && name.SequenceEqual(previousName) && shared == previousShared))
                {
                    continue;
                }

                previousName = name;
                previousShared = shared;
                previousInode = inode;
            }

            int dash = range.IndexOf((byte)'-');
            if (dash < 0 || permissions.Length < 4)
            {
                continue;
            }

            // Determined by the name only: the inode of the first System V segment, which is its id, is 0.
            bool unlinked = name.StartsWith("/"u8) && name.EndsWith(UnlinkedMark);
            ReadOnlySpan<byte> path = unlinked ? name[..^UnlinkedMark.Length] : name;
            int colon = device.IndexOf((byte)':');
            areas.Add(new MemoryArea(
                AsciiReader.ParseHex(range[..dash]),
                AsciiReader.ParseHex(range[(dash + 1)..]),
                shared,
                permissions[1] == 'w',
                permissions[2] == 'x',
                KindOf(path, unlinked, inode),
                colon < 0 ? default : new DeviceNumber((uint)AsciiReader.ParseHex(device[..colon]), (uint)AsciiReader.ParseHex(device[(colon + 1)..])),
                inode,
                AsciiReader.Unescape(path),
                unlinked));
        }

        return areas;
    }

    private static MemoryAreaKind KindOf(ReadOnlySpan<byte> path, bool unlinked, ulong inode) => path switch
    {
        _ when path.SequenceEqual("[uprobes]"u8) => MemoryAreaKind.Uprobes,
        _ when path.StartsWith("[vdso"u8) || path.StartsWith("[vvar"u8) || path.StartsWith("[vsyscall"u8) => MemoryAreaKind.Kernel,
        _ when path.SequenceEqual("/[aio]"u8) => MemoryAreaKind.AsyncIoRing,
        _ when path.StartsWith("socket:"u8) => MemoryAreaKind.Socket,
        _ when path.StartsWith("anon_inode:"u8) || path.StartsWith("/anon_inode:"u8) || path.StartsWith("dmabuf:"u8) || path.StartsWith("/dmabuf:"u8) =>
            MemoryAreaKind.KernelObject,
        _ when unlinked && path.StartsWith("/SYSV"u8) => MemoryAreaKind.SysVSegment,
        _ when unlinked && path.StartsWith("/memfd:"u8) => MemoryAreaKind.MemoryFile,
        _ when unlinked && path.SequenceEqual("/dev/zero"u8) => MemoryAreaKind.SharedAnonymous,
        _ when unlinked && path.StartsWith("/anon_hugepage"u8) => MemoryAreaKind.HugePages,
        _ when inode == 0 => MemoryAreaKind.Anonymous,
        _ when path.StartsWith("/dev/"u8) && !path.StartsWith("/dev/shm/"u8) && !path.StartsWith("/dev/mqueue/"u8) && !path.StartsWith("/dev/hugepages/"u8) =>
            MemoryAreaKind.Device,
        _ => MemoryAreaKind.File,
    };
}
