using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    [LibraryImport(Library, EntryPoint = "mallopt")]
    private static partial int mallopt(int parameter, int value);

    /// <summary>
    /// Has the C library return each large allocation to the kernel when it is freed, also after one of the session's was larger: it would
    /// raise its threshold with each that is freed, up to 32 MiB, and then keep as much in the arena of each thread (mallopt(3)).
    /// </summary>
    internal static void KeepMapThreshold()
    {
        const int M_MMAP_THRESHOLD = -3;
        const int Default = 128 << 10;
        try
        {
            _ = mallopt(M_MMAP_THRESHOLD, Default);
        }
        catch (EntryPointNotFoundException)
        {
            // Only glibc has it, and only glibc raises the threshold.
        }
    }
}
