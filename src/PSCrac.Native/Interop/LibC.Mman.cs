using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static partial class LibC
{
    private const nint SYS_cachestat = 451;
    private const int MADV_DONTNEED = 4;

    [LibraryImport(Library, EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle memfd_create(string name, uint flags);

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static unsafe partial nint cachestat(nint number, SafeHandle descriptor, CacheRange* range, CacheStatus* status, nint flags);

    /// <summary>memfd_create(2), close-on-exec. The handle is invalid on failure.</summary>
    internal static SafeFileHandle CreateMemoryFile(string name, out Errno errno)
    {
        const uint MFD_CLOEXEC = 1;
        SafeFileHandle file = memfd_create(name, MFD_CLOEXEC);
        errno = Result(file);
        return file;
    }

    /// <summary>
    /// How much of the beginning of a file is in the page cache, in bytes, rounded to pages; null if the kernel does not support it
    /// (cachestat, since Linux 6.5; its include/uapi/linux/mman.h).
    /// </summary>
    internal static unsafe long? CachedBytes(SafeHandle file, long length)
    {
        CacheRange range = new() { Length = (ulong)length };
        CacheStatus status = default;
        return cachestat(SYS_cachestat, file, &range, &status, 0) == 0 ? (long)status.Cached * Environment.SystemPageSize : null;
    }

    [LibraryImport(Library, EntryPoint = "madvise")]
    private static partial int madvise(nuint address, nuint length, int advice);

    /// <summary>Unmaps the pages of a mapping of this process (MADV_DONTNEED of madvise(2)): its next access reads them from the file again.</summary>
    /// <param name="start">The first address.</param>
    /// <param name="end">The address after the last.</param>
    internal static void DropPages(nuint start, nuint end) => _ = madvise(start, end - start, MADV_DONTNEED);

    /// <summary>struct cachestat_range, in bytes.</summary>
    private struct CacheRange
    {
        internal ulong Offset;
        internal ulong Length;
    }

    /// <summary>struct cachestat, in pages.</summary>
    private struct CacheStatus
    {
        internal ulong Cached;
        internal ulong Dirty;
        internal ulong Writeback;
        internal ulong Evicted;
        internal ulong RecentlyEvicted;
    }
}
