using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    private const nint SYS_cachestat = 451;

    // Gives errno instead of setting it.
    [LibraryImport(Library, EntryPoint = "posix_fadvise")]
    private static partial int posix_fadvise(int descriptor, long offset, long length, int advice);

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static unsafe partial nint cachestat(nint number, nint descriptor, CacheRange* range, CacheStatus* status, nint flags);

    /// <summary>Has the kernel read a part of a file into the page cache, and does not wait for it (posix_fadvise(2)).</summary>
    /// <param name="file">The file.</param>
    /// <param name="offset">Where the part begins, in bytes.</param>
    /// <param name="length">Its length in bytes, more than 0: to the kernel 0 is all that is left.</param>
    internal static void WillNeed(SafeHandle file, long offset, long length)
    {
        const int POSIX_FADV_WILLNEED = 3;
        using var at = new Borrowed(file, -1);

        // It is advice: a file system that knows no cache may refuse it.
        posix_fadvise(at.Descriptor, offset, length, POSIX_FADV_WILLNEED);
    }

    /// <summary>
    /// How much of a file's beginning is in the page cache, in bytes, to the page; null where the kernel does not tell
    /// (cachestat, since Linux 6.5; its include/uapi/linux/mman.h).
    /// </summary>
    internal static unsafe long? CachedBytes(SafeHandle file, long length)
    {
        using var at = new Borrowed(file, -1);
        CacheRange range = new() { Length = (ulong)length };
        CacheStatus status = default;
        return cachestat(SYS_cachestat, at.Descriptor, &range, &status, 0) == 0 ? (long)status.Cached * Environment.SystemPageSize : null;
    }

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
