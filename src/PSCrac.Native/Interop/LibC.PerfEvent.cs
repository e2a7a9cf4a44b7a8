using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static partial class LibC
{
    private const nuint PERF_FLAG_FD_CLOEXEC = 8;

    // asm/unistd_64.h for x86-64, asm-generic/unistd.h for other architectures.
    private static readonly nint s_perf_event_open = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 298 : 241;

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static unsafe partial nint perf_event_open(
        nint number, PerfEventAttributes* attributes, nint processId, nint processor, nint group, nuint flags);

    /// <summary>
    /// Opens a performance event of the calling thread that counts nothing (PERF_COUNT_SW_DUMMY, perf_event_open(2)). The
    /// handle is invalid if the kernel or a container's seccomp filter refuses; errno has the reason.
    /// </summary>
    internal static unsafe SafeFileHandle OpenIdleEvent(out Errno errno)
    {
        const uint Software = 1; // PERF_TYPE_SOFTWARE
        const ulong Dummy = 9; // PERF_COUNT_SW_DUMMY
        const ulong Disabled = 1 << 0;
        const ulong ExcludeKernel = 1 << 5;
        var attributes = new PerfEventAttributes
        {
            Type = Software,
            Size = (uint)sizeof(PerfEventAttributes),
            Config = Dummy,
            Flags = Disabled | ExcludeKernel,
        };
        nint result = perf_event_open(s_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
        errno = result < 0 ? LastError : Errno.None;
        return new SafeFileHandle(result, ownsHandle: true);
    }

    /// <summary>struct perf_event_attr in its first version, 64 bytes (PERF_ATTR_SIZE_VER0).</summary>
    [StructLayout(LayoutKind.Sequential, Size = 64)]
    private struct PerfEventAttributes
    {
        internal uint Type;
        internal uint Size;
        internal ulong Config;
        internal ulong SamplePeriod;
        internal ulong SampleType;
        internal ulong ReadFormat;
        internal ulong Flags;
    }
}
