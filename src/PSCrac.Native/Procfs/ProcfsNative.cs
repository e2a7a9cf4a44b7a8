using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Procfs;

/// <summary>The C library calls that reading a process needs and the base library does not offer.</summary>
internal static unsafe partial class ProcfsNative
{
    internal const int EINTR = 4;
    internal const int ENOENT = 2;
    internal const int ESRCH = 3;
    internal const int EACCES = 13;
    internal const int EPERM = 1;
    internal const int ENXIO = 6;

    internal const int O_RDONLY = 0;
    internal const int O_CLOEXEC = 0x80000;

    // The architectures differ in these two (asm/fcntl.h).
    internal static readonly int O_DIRECTORY = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 : 0x10000;
    internal static readonly int O_NOFOLLOW = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;

    internal const int O_PATH = 0x200000;

    internal const int AT_FDCWD = -100;
    internal const int AT_EMPTY_PATH = 0x1000;
    internal const int AT_SYMLINK_NOFOLLOW = 0x100;
    internal const int AT_NO_AUTOMOUNT = 0x800;
    internal const int AT_STATX_DONT_SYNC = 0x4000;

    private const uint StatxBasicStats = 0x7ff;
    private const uint StatxMountId = 0x1000;

    /// <summary>open(2)'s relative form; the caller adds <see cref="O_CLOEXEC"/>.</summary>
    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle OpenAtOnce(int directory, string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle OpenAtOnce(SafeFileHandle directory, string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint ReadOnce(SafeFileHandle file, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint ReadLinkAtOnce(SafeFileHandle directory, string path, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
    private static partial nint ReadEntriesOnce(SafeFileHandle directory, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatAtOnce(SafeFileHandle directory, string path, int flags, uint mask, out StatxBuffer buffer);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatAtOnce(int directory, string path, int flags, uint mask, out StatxBuffer buffer);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Signal(int processId, int signal);

    [LibraryImport("libc", EntryPoint = "getxattr", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint GetExtendedAttribute(string path, string name, byte* value, nint size);

    [LibraryImport("libc", EntryPoint = "statfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatFileSystem(string path, long* buffer);

    /// <summary>The magic number of the file system that a path leads to (statfs(2)); 0 when it cannot be looked at.</summary>
    internal static long FileSystemOf(string path)
    {
        // The kernel's structure is 120 bytes and begins with the number.
        long* buffer = stackalloc long[32];
        return StatFileSystem(path, buffer) == 0 ? buffer[0] : 0;
    }

    /// <summary>Opens a path, trying again when a signal interrupts; the handle is invalid on failure and <paramref name="error"/> tells why.</summary>
    internal static SafeFileHandle Open(string path, int flags, out int error)
    {
        while (true)
        {
            SafeFileHandle handle = OpenAtOnce(AT_FDCWD, path, flags | O_CLOEXEC, 0);
            error = handle.IsInvalid ? Marshal.GetLastPInvokeError() : 0;
            if (error != EINTR)
            {
                return handle;
            }
        }
    }

    /// <summary>As <see cref="Open"/>, relative to a directory.</summary>
    internal static SafeFileHandle OpenAt(SafeFileHandle directory, string path, int flags, out int error)
    {
        while (true)
        {
            SafeFileHandle handle = OpenAtOnce(directory, path, flags | O_CLOEXEC, 0);
            error = handle.IsInvalid ? Marshal.GetLastPInvokeError() : 0;
            if (error != EINTR)
            {
                return handle;
            }
        }
    }

    /// <summary>Reads on from the file's position: the count of bytes, 0 at the end, -1 on failure.</summary>
    internal static int Read(SafeFileHandle file, Span<byte> buffer, out int error)
    {
        while (true)
        {
            nint count;
            fixed (byte* start = buffer)
            {
                count = ReadOnce(file, start, buffer.Length);
            }

            error = count < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (error != EINTR)
            {
                return (int)count;
            }
        }
    }

    /// <summary>Reads a link's text: the count of bytes, cut at the buffer's length, or -1 on failure.</summary>
    internal static int ReadLinkAt(SafeFileHandle directory, string path, Span<byte> buffer, out int error)
    {
        nint count;
        fixed (byte* start = buffer)
        {
            count = ReadLinkAtOnce(directory, path, start, buffer.Length);
        }

        error = count < 0 ? Marshal.GetLastPInvokeError() : 0;
        return (int)count;
    }

    /// <summary>Reads on in a directory: the count of bytes of whole entries, 0 at the end, -1 on failure (getdents64(2)).</summary>
    internal static int ReadEntries(SafeFileHandle directory, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return (int)ReadEntriesOnce(directory, start, buffer.Length);
        }
    }

    /// <summary>
    /// Asks for a file's status relative to a directory, without waking a file server for it.
    /// False on failure, and <paramref name="error"/> tells why.
    /// </summary>
    internal static bool TryStatAt(SafeFileHandle directory, string path, int flags, out FileStatus status, out int error)
    {
        int result = StatAtOnce(
            directory, path, flags | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, StatxBasicStats | StatxMountId, out StatxBuffer buffer);
        error = result < 0 ? Marshal.GetLastPInvokeError() : 0;
        status = result < 0 ? default : buffer.ToStatus();
        return result >= 0;
    }

    /// <summary>As above, by a path of its own.</summary>
    internal static bool TryStat(string path, int flags, out FileStatus status, out int error)
    {
        int result = StatAtOnce(
            AT_FDCWD, path, flags | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, StatxBasicStats | StatxMountId, out StatxBuffer buffer);
        error = result < 0 ? Marshal.GetLastPInvokeError() : 0;
        status = result < 0 ? default : buffer.ToStatus();
        return result >= 0;
    }

    /// <summary>
    /// The name of a socket's protocol, such as TCP or UNIX-STREAM: sockfs keeps it as an extended attribute,
    /// also for sockets that no table of /proc/net lists. Null when the kernel does not tell.
    /// </summary>
    internal static string? ReadSocketProtocolName(int processId, int descriptor)
    {
        byte* value = stackalloc byte[64];
        nint length = GetExtendedAttribute($"/proc/{processId}/fd/{descriptor}", "system.sockprotoname", value, 64);
        return length <= 0 ? null : System.Text.Encoding.ASCII.GetString(value, (int)length).TrimEnd('\0');
    }

    /// <summary>struct statx of the kernel's include/uapi/linux/stat.h, the same on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatxBuffer
    {
        [FieldOffset(16)] public uint LinkCount;
        [FieldOffset(20)] public uint UserId;
        [FieldOffset(24)] public uint GroupId;
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(32)] public ulong Inode;
        [FieldOffset(40)] public ulong Size;
        [FieldOffset(48)] public ulong Blocks;
        [FieldOffset(128)] public uint SpecialMajor;
        [FieldOffset(132)] public uint SpecialMinor;
        [FieldOffset(136)] public uint DeviceMajor;
        [FieldOffset(140)] public uint DeviceMinor;
        [FieldOffset(144)] public ulong MountId;

        public readonly FileStatus ToStatus() => new(
            new DeviceNumber(DeviceMajor, DeviceMinor),
            Inode,
            Mode,
            LinkCount,
            UserId,
            GroupId,
            (long)Size,
            (long)Blocks * 512,
            new DeviceNumber(SpecialMajor, SpecialMinor),
            (int)MountId);
    }

    /// <summary>Asks for a process group without signalling it (kill(2), signal 0). Returns errno, or 0.</summary>
    internal static int ProbeGroup(int id) => Signal(-id, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();
}
