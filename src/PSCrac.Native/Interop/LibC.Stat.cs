using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const int AT_STATX_DONT_SYNC = 0x4000;

    private const uint STATX_BASIC_STATS = 0x7ff;
    private const uint STATX_MNT_ID = 0x1000;

    [LibraryImport(Library, EntryPoint = "mkdirat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkdirat(SafeHandle directory, string path, uint mode);

    [LibraryImport(Library, EntryPoint = "fchmodat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int fchmodat(SafeHandle directory, string path, uint mode, int flags);

    [LibraryImport(Library, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(SafeHandle directory, string path, int flags, uint mask, out Statx buffer);

    /// <summary>mkdirat(2).</summary>
    internal static Errno MakeDirectory(SafeHandle directory, string name, uint mode) => Result(mkdirat(directory, name, mode));

    /// <summary>fchmodat(2); a symbolic link is not followed, and has no mode (EOPNOTSUPP).</summary>
    internal static Errno ChangeMode(SafeHandle directory, string name, uint mode) => Result(fchmodat(directory, name, mode, AT_SYMLINK_NOFOLLOW));

    /// <summary>statx(2) with the mount id, without contacting a file server or triggering an automount.</summary>
    internal static Errno StatAt(SafeHandle directory, string path, int flags, out Statx status) =>
        Result(statx(directory, path, flags | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_MNT_ID, out status));

    /// <summary>struct statx of the kernel's include/uapi/linux/stat.h, the same on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct Statx
    {
        [FieldOffset(16)] internal uint LinkCount;
        [FieldOffset(20)] internal uint UserId;
        [FieldOffset(24)] internal uint GroupId;
        [FieldOffset(28)] internal ushort Mode;
        [FieldOffset(32)] internal ulong Inode;
        [FieldOffset(40)] internal ulong Size;

        /// <summary>The number of 512-byte units.</summary>
        [FieldOffset(48)] internal ulong Blocks;

        /// <summary>The last change of the inode, in seconds since 1970 and nanoseconds.</summary>
        [FieldOffset(96)] internal long ChangeSeconds;
        [FieldOffset(104)] internal uint ChangeNanoseconds;

        /// <summary>The last change of the content, in seconds since 1970 and nanoseconds.</summary>
        [FieldOffset(112)] internal long ModifySeconds;
        [FieldOffset(120)] internal uint ModifyNanoseconds;
        [FieldOffset(128)] internal uint SpecialMajor;
        [FieldOffset(132)] internal uint SpecialMinor;
        [FieldOffset(136)] internal uint DeviceMajor;
        [FieldOffset(140)] internal uint DeviceMinor;
        [FieldOffset(144)] internal ulong MountId;
    }
}
