using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Memory;
using PSCrac.Images.Model;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Preflight.ImageRules;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>
/// Has the kernel read from the disk what a restore will want, while criu still starts and reads the image: the dumped
/// memory, and where that was not in the page cache, as after a reboot, the programs and libraries that were mapped, too,
/// in which the restored processes then go on.
/// </summary>
internal sealed class RestoreReadahead : IDisposable
{
    // Bytes. More would push other files out of the page cache, and criu, which reads them in order, catches up anyway.
    private const long MostPages = 512L << 20;
    private const long MostMapped = 256L << 20;

    // What is asked about, in bytes: the kernel counts page by page.
    private const long MostCounted = 32L << 20;

    private const uint Writable = 2; // PROT_WRITE

    private readonly ImageSource _source;
    private readonly Task<bool> _pages;

    private RestoreReadahead(SafeFileHandle directory, ImageSource source, bool withPages)
    {
        _source = source;
        _pages = Task.Run(() => ReadPages(directory, source, withPages));
    }

    /// <summary>Begins with the dumped memory, and does not wait.</summary>
    /// <param name="directory">The image's folder, open.</param>
    /// <param name="image">The image.</param>
    /// <param name="withPages">Whether its memory is wanted at once.</param>
    internal static RestoreReadahead Begin(SafeFileHandle directory, CracImage image, bool withPages = true) => new(directory, image.Source, withPages);

    /// <summary>
    /// Goes on with what was mapped, if that is worth while, once others who read the image have done so: criu is to have a
    /// processor to itself. A slow disk may keep it busy for longer than the restore takes, which does not wait for it.
    /// </summary>
    /// <returns>Completed once the kernel has been told.</returns>
    internal Task ContinueAfter(Task others) =>
        Task.WhenAll(_pages, others).ContinueWith(
            _ =>
            {
                if (_pages is { IsCompletedSuccessfully: true, Result: true })
                {
                    ReadMappedFiles(_source);
                }
            },
            TaskScheduler.Default);

    /// <summary>Waits until the image's folder is used no more.</summary>
    public void Dispose() => Task.WaitAny(_pages);

    /// <summary>Whether the memory was on the disk alone, for the most part; false where the kernel does not tell.</summary>
    private static bool ReadPages(SafeFileHandle directory, ImageSource source, bool withPages)
    {
        long left = MostPages;
        long counted = 0;
        long cached = 0;
        foreach (ImageFileInfo info in source.Files)
        {
            if (!ImageFileName.IsPages(info.Name) || left <= 0)
            {
                continue;
            }

            using SafeFileHandle file = LibC.OpenAt(directory, info.Name, LibC.O_RDONLY | LibC.O_NOFOLLOW | LibC.O_NONBLOCK, out Errno errno);
            if (errno == 0)
            {
                long part = Math.Min(info.Length, MostCounted - counted);
                if (part > 0 && LibC.CachedBytes(file, part) is { } there)
                {
                    counted += part;
                    cached += there;
                }

                if (withPages)
                {
                    LibC.WillNeed(file, 0, Math.Min(info.Length, left));
                }
            }

            left -= info.Length;
        }

        return cached < counted / 2;
    }

    // The image is read anew, beside those who look at it meanwhile. One that holds mounts has paths that are not ours.
    private static void ReadMappedFiles(ImageSource source)
    {
        var stretches = new Dictionary<uint, HashSet<(ulong Offset, ulong Length)>>();
        foreach (ImageFileInfo info in source.Files)
        {
            if (ImageFileName.ParseNumber(info.Name, "mountpoints-") is not null)
            {
                return;
            }

            if (ImageFileName.ParseNumber(info.Name, "mm-") is { } processId && AddressSpace.Read(source, (int)processId) is { } space)
            {
                Collect(space, stretches);
            }
        }

        var files = new OpenFileTable(source);
        long left = MostMapped;
        foreach ((uint id, HashSet<(ulong Offset, ulong Length)> areas) in stretches)
        {
            left = Read(FilePresenceRule.ToAbsolutePath(files.PathOf(id)), areas, left);
        }
    }

    // What several processes map counts once. A shared area that is written to is a data file, of which the program may want any part.
    private static void Collect(AddressSpace space, Dictionary<uint, HashSet<(ulong Offset, ulong Length)>> stretches)
    {
        foreach (ref readonly MappedArea area in space.Areas)
        {
            bool isFile = (area.Status & (AreaStatus.FilePrivate | AreaStatus.FileShared)) != 0;
            if (isFile && area.Protection != 0 && !(area.IsShared && (area.Protection & Writable) != 0))
            {
                ref HashSet<(ulong Offset, ulong Length)>? areas = ref CollectionsMarshal.GetValueRefOrAddDefault(stretches, (uint)area.ShmId, out _);
                (areas ??= []).Add((area.FileOffset, area.Length));
            }
        }
    }

    private static long Read(string path, HashSet<(ulong Offset, ulong Length)> areas, long left)
    {
        // To open a device may itself do something.
        if (left <= 0 || !FileStatus.TryRead(path, flags: 0, out FileStatus status, out _) || status.Type != FileType.Regular)
        {
            return left;
        }

        using SafeFileHandle file = LibC.Open(path, LibC.O_RDONLY | LibC.O_NONBLOCK, out Errno errno);
        foreach ((ulong offset, ulong whole) in errno == 0 ? areas : [])
        {
            if (left <= 0)
            {
                break;
            }

            long length = Math.Min((long)whole, left);
            LibC.WillNeed(file, (long)offset, length);
            left -= length;
        }

        return left;
    }
}
