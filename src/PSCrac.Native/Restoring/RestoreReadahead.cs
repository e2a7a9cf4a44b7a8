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
/// Makes the kernel read ahead what a restore will need, while criu starts and reads the image: the dumped memory, and where that
/// was not in the page cache, as after a reboot, also the mapped programs and libraries.
/// </summary>
internal sealed class RestoreReadahead : IDisposable
{
    // Bytes. More would displace other files from the page cache, and criu, which reads in order, is faster in the end anyway.
    private const long MaximumPageBytes = 512L << 20;
    private const long MaximumMappedBytes = 256L << 20;

    // Bytes whose presence in the page cache is counted: the kernel counts page by page.
    private const long MaximumCountedBytes = 32L << 20;

    private const uint Writable = 2; // PROT_WRITE

    private readonly ImageSource _source;
    private readonly Task<bool> _pages;

    private RestoreReadahead(FolderHandle directory, ImageSource source, bool withPages)
    {
        _source = source;
        _pages = Task.Run(() => ReadPages(directory, source, withPages));
    }

    /// <summary>Starts with the dumped memory, and does not wait.</summary>
    /// <param name="directory">The image's folder, open.</param>
    /// <param name="image">The image.</param>
    /// <param name="withPages">Whether its memory is needed at once.</param>
    internal static RestoreReadahead Begin(FolderHandle directory, CracImage image, bool withPages = true) => new(directory, image.Source, withPages);

    /// <summary>
    /// Continues with the mapped files, if the memory was not cached, after <paramref name="others"/>, so that criu has a processor to
    /// itself. On a slow disk this may take longer than the restore, which does not wait for it.
    /// </summary>
    /// <returns>Completed when the kernel was given all ranges.</returns>
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

    /// <summary>Waits until the image's folder is no longer used.</summary>
    public void Dispose() => Task.WaitAny(_pages);

    /// <summary>Whether most of the memory was not in the page cache; false where the kernel does not count.</summary>
    private static bool ReadPages(FolderHandle directory, ImageSource source, bool withPages)
    {
        long left = MaximumPageBytes;
        long counted = 0;
        long cached = 0;
        foreach (ImageFileInfo info in source.Files)
        {
            if (!ImageFileName.IsPages(info.Name) || left <= 0)
            {
                continue;
            }

            using SafeFileHandle file = directory.OpenToRead(info.Name, out Errno errno);
            if (errno == 0)
            {
                long part = Math.Min(info.Length, MaximumCountedBytes - counted);
                if (part > 0 && LibC.CachedBytes(file, part) is { } cachedPart)
                {
                    counted += part;
                    cached += cachedPart;
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

    // Reads the image itself, since other threads read it too. The paths of an image with mounts are not those of this namespace.
    private static void ReadMappedFiles(ImageSource source)
    {
        var ranges = new Dictionary<uint, HashSet<(ulong Offset, ulong Length)>>();
        foreach (ImageFileInfo info in source.Files)
        {
            if (ImageFileName.ParseNumber(info.Name, "mountpoints-") is not null)
            {
                return;
            }

            if (ImageFileName.ParseNumber(info.Name, "mm-") is { } processId && AddressSpace.Read(source, (int)processId) is { } space)
            {
                Collect(space, ranges);
            }
        }

        var files = new OpenFileTable(source);
        long left = MaximumMappedBytes;
        foreach ((uint id, HashSet<(ulong Offset, ulong Length)> areas) in ranges)
        {
            left = Read(FilePresenceRule.ToAbsolutePath(files.PathOf(id)), areas, left);
        }
    }

    // What several processes map counts once. A shared writable area is a data file, of which the program may need any part.
    private static void Collect(AddressSpace space, Dictionary<uint, HashSet<(ulong Offset, ulong Length)>> ranges)
    {
        foreach (ref readonly MappedArea area in space.Areas)
        {
            bool isFile = (area.Status & (AreaStatus.FilePrivate | AreaStatus.FileShared)) != 0;
            if (isFile && area.Protection != 0 && !(area.IsShared && (area.Protection & Writable) != 0))
            {
                ref HashSet<(ulong Offset, ulong Length)>? areas = ref CollectionsMarshal.GetValueRefOrAddDefault(ranges, (uint)area.ShmId, out _);
                (areas ??= []).Add((area.FileOffset, area.Length));
            }
        }
    }

    private static long Read(string path, HashSet<(ulong Offset, ulong Length)> areas, long left)
    {
        // Opening a device may have effects.
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
