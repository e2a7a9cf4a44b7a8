using System.Runtime.InteropServices;
using PSCrac.Interop;

namespace PSCrac.Procfs;

/// <summary>A device's number.</summary>
/// <param name="Major">The driver's part.</param>
/// <param name="Minor">The driver's own count.</param>
internal readonly record struct DeviceNumber(uint Major, uint Minor)
{
    /// <summary>Both parts in decimal, as ls(1) and criu's log write them.</summary>
    public override string ToString() => $"{Major}:{Minor}";

    /// <summary>Takes apart the number as the kernel encodes it for user space: field 7 of stat, sdev of fdinfo (new_encode_dev()).</summary>
    internal static DeviceNumber Decode(uint number) => new((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
}

/// <summary>What kind of file an inode is: the type bits of st_mode, inode(7).</summary>
internal enum FileType
{
    /// <summary>None of those below: an anonymous inode of the kernel.</summary>
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

/// <summary>What statx(2) tells about a file.</summary>
/// <param name="Device">The device of the file's filesystem. Files of a btrfs subvolume have another one than their mount.</param>
/// <param name="Inode">The inode's number.</param>
/// <param name="Mode">Type and permission bits, st_mode.</param>
/// <param name="LinkCount">The count of names. 0 when the file is open or mapped but has no name any more.</param>
/// <param name="UserId">The owner.</param>
/// <param name="GroupId">The group.</param>
/// <param name="SizeBytes">The length, bytes.</param>
/// <param name="AllocatedBytes">The room it takes, bytes; less than the length where there are holes.</param>
/// <param name="SpecialDevice">The device that the file stands for, where it is a device.</param>
/// <param name="MountId">The mount it was reached through, <see cref="MountPoint.Id"/>; 0 on kernels before 5.8.</param>
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
    /// <summary>The type bits of <see cref="Mode"/>.</summary>
    internal FileType Type => (FileType)(Mode & 0xf000);

    /// <summary>Asks for a file's status (statx(2)), without waking a file server for it.</summary>
    /// <returns>False on failure, and <paramref name="errno"/> tells why.</returns>
    internal static bool TryRead(string path, int flags, out FileStatus status, out Errno errno) =>
        TryReadAt(LibC.WorkingDirectory, path, flags, out status, out errno);

    /// <summary>As above, relative to a directory.</summary>
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
