using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

/// <summary>What a userfaultfd tells (linux/userfaultfd.h).</summary>
internal enum PageEventKind : byte
{
    /// <summary>A thread waits for the page at <see cref="PageEvent.First"/>.</summary>
    Fault = 0x12,

    /// <summary>A process was forked; <see cref="PageEvent.Child"/> is the userfaultfd of the child.</summary>
    Fork = 0x13,

    /// <summary>A range was moved (mremap(2)): from, to, length.</summary>
    Remap = 0x14,

    /// <summary>The content of a range was given back (madvise(2)): first address, end.</summary>
    Remove = 0x15,

    /// <summary>A range was unmapped: first address, end.</summary>
    Unmap = 0x16,
}

/// <summary>struct uffd_msg.</summary>
[StructLayout(LayoutKind.Explicit, Size = 32)]
internal struct PageEvent
{
    [FieldOffset(0)]
    internal PageEventKind Kind;

    /// <summary>The descriptor of a child's userfaultfd.</summary>
    [FieldOffset(8)]
    internal int Child;

    [FieldOffset(8)]
    internal ulong First;

    [FieldOffset(16)]
    internal ulong Second;

    [FieldOffset(24)]
    internal ulong Third;

    /// <summary>The address of a page fault.</summary>
    internal readonly ulong FaultAddress => Second;
}

internal static unsafe partial class LibC
{
    private const nuint UFFDIO_WAKE = 0x8010_AA02;
    private const nuint UFFDIO_COPY = 0xC028_AA03;
    private const nuint UFFDIO_ZEROPAGE = 0xC020_AA04;

    [LibraryImport(Library, EntryPoint = "ioctl", SetLastError = true)]
    private static partial int userfaultfd_ioctl(SafeHandle descriptor, nuint request, PageRange* range);

    /// <summary>Reads what a userfaultfd has to tell, without waiting; it must be open without waiting (O_NONBLOCK).</summary>
    /// <returns>The number of events; 0 if there are none.</returns>
    internal static int ReadPageEvents(SafeFileHandle faults, Span<PageEvent> events, out Errno errno)
    {
        int length = Read(faults, MemoryMarshal.AsBytes(events), out errno);
        return length > 0 ? length / sizeof(PageEvent) : 0;
    }

    /// <summary>Copies pages to where none are, and wakes who waits for them (UFFDIO_COPY).</summary>
    /// <returns>How many bytes were copied.</returns>
    internal static long CopyPages(SafeHandle faults, ulong address, ReadOnlySpan<byte> pages, out Errno errno)
    {
        fixed (byte* source = pages)
        {
            var range = new PageRange { First = address, Second = (ulong)source, Third = (ulong)pages.Length };
            errno = Result(userfaultfd_ioctl(faults, UFFDIO_COPY, &range));
            return Math.Max(0, range.Fifth);
        }
    }

    /// <summary>Puts a page of zeros to where none is, and wakes who waits for it (UFFDIO_ZEROPAGE).</summary>
    internal static Errno PutZeroPage(SafeHandle faults, ulong address, int pageSize)
    {
        var range = new PageRange { First = address, Second = (ulong)pageSize };
        return Result(userfaultfd_ioctl(faults, UFFDIO_ZEROPAGE, &range));
    }

    /// <summary>Wakes who waits for pages of a range, which then looks again (UFFDIO_WAKE).</summary>
    internal static void WakeRange(SafeHandle faults, ulong address, ulong length)
    {
        var range = new PageRange { First = address, Second = length };
        _ = userfaultfd_ioctl(faults, UFFDIO_WAKE, &range);
    }

    // The longest of struct uffdio_copy (destination, source, length, mode, copied), uffdio_zeropage and uffdio_range (start, length).
    private struct PageRange
    {
        internal ulong First;
        internal ulong Second;
        internal ulong Third;
        internal ulong Fourth;
        internal long Fifth;
    }
}
