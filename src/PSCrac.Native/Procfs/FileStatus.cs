using System.Runtime.InteropServices;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>A device number.</summary>
/// <param name="Major">The major number, which identifies the driver.</param>
/// <param name="Minor">The minor number, which the driver assigns.</param>
internal readonly record struct DeviceNumber(uint Major, uint Minor)
{
    /// <summary>Both numbers in decimal, as in ls(1) and criu's log.</summary>
    public override string ToString() => $"{Major}:{Minor}";

    /// <summary>Decodes a device number in the kernel's encoding for user space: field 7 of stat, sdev of fdinfo (new_encode_dev()).</summary>
    internal static DeviceNumber Decode(uint number) => new((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
}

/// <summary>The type of an inode: the type bits of st_mode, inode(7).</summary>
internal enum FileType
{
    /// <summary>None of the types below: an anonymous inode of the kernel.</summary>
    None = 0,

    /// <summary>A FIFO or a pipe.</summary>
    Fifo = 0x1000,

    /// <summary>A character device.</summary>
    CharacterDevice = 0x2000,

    /// <summary>A directory.</summary>
    Directory = 0x4000,

    /// <summary>A block device.</summary>
    BlockDevice = 0x6000,

    /// <summary>A regular file.</summary>
    Regular = 0x8000,

    /// <summary>A symbolic link.</summary>
    SymbolicLink = 0xa000,

    /// <summary>A socket.</summary>
    Socket = 0xc000,
}

/// <summary>The status of a file, from statx(2).</summary>
/// <param name="Device">The device of the file's file system. Files in a btrfs subvolume have another device than their mount.</param>
/// <param name="Inode">The inode number.</param>
/// <param name="Mode">The type and permission bits, st_mode.</param>
/// <param name="LinkCount">The number of hard links; 0 if the file is open or mapped but has no name any more.</param>
/// <param name="UserId">The owner.</param>
/// <param name="GroupId">The group.</param>
/// <param name="SizeBytes">The length, in bytes.</param>
/// <param name="AllocatedBytes">The allocated size, in bytes; less than the length if the file has holes.</param>
/// <param name="SpecialDevice">For a device file, the number of the device.</param>
/// <param name="MountId">The mount of the path, <see cref="MountPoint.Id"/>; 0 on kernels before 5.8.</param>
internal readonly record struct FileStatus(
    DeviceNumber Device,
    ulong Inode,
    int Mode,
    uint LinkCount,
    uint UserId,
    uint GroupId,
    long SizeBytes,
    long AllocatedBytes,
    DeviceNumber SpecialDevice,
    int MountId)
{
    private const int OthersWrite = 0x2; // 002
    private const int GroupOrOthersWrite = 0x12; // 022
    private const int Sticky = 0x200; // 01000

    /// <summary>The type bits of <see cref="Mode"/>.</summary>
    internal FileType Type => (FileType)(Mode & 0xf000);

    /// <summary>Whether others than the owner may write to it; without a meaning for a symbolic link.</summary>
    internal bool IsWritableByOthers => (Mode & GroupOrOthersWrite) != 0;

    /// <summary>Who they are: "everyone" or "group 4".</summary>
    internal string OtherWriters => (Mode & OthersWrite) != 0 ? "everyone" : $"group {GroupId}";

    /// <summary>Whether only owners may remove or rename what is in the folder (sticky).</summary>
    internal bool IsSticky => (Mode & Sticky) != 0;

    /// <summary>Reads a file's status with statx(2), without contacting a file server.</summary>
    /// <returns>False on failure; <paramref name="errno"/> has the reason.</returns>
    internal static bool TryRead(string path, int flags, out FileStatus status, out Errno errno) =>
        TryReadAt(LibC.WorkingDirectory, path, flags, out status, out errno);

    /// <summary>Reads a file's status relative to a directory.</summary>
    internal static bool TryReadAt(SafeHandle directory, string path, int flags, out FileStatus status, out Errno errno)
    {
        const int BlockSize = 512;
        errno = LibC.StatAt(directory, path, flags, out LibC.Statx read);
        status = errno != Errno.None ? default : new FileStatus(
            new DeviceNumber(read.DeviceMajor, read.DeviceMinor),
            read.Inode,
            read.Mode,
            read.LinkCount,
            read.UserId,
            read.GroupId,
            (long)read.Size,
            (long)read.Blocks * BlockSize,
            new DeviceNumber(read.SpecialMajor, read.SpecialMinor),
            (int)read.MountId);
        return errno == Errno.None;
    }

    /// <summary>Whether both are the same file.</summary>
    internal bool IsSameFile(in FileStatus other) => Inode == other.Inode && Device == other.Device;
}
