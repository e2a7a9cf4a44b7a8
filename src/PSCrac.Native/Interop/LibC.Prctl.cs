using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static partial class LibC
{
    private const int PR_GET_DUMPABLE = 3;
    private const int PR_SET_DUMPABLE = 4;
    private const int PR_SET_NAME = 15;

    [LibraryImport(Library, EntryPoint = "prctl", SetLastError = true)]
    private static unsafe partial int prctl(int option, void* argument, nuint third, nuint fourth, nuint fifth);

    /// <summary>Sets the name of the calling thread: up to 15 bytes and a null byte (PR_SET_NAME of prctl(2)).</summary>
    internal static unsafe void SetThreadName(ReadOnlySpan<byte> name)
    {
        fixed (byte* text = name)
        {
            prctl(PR_SET_NAME, text, 0, 0, 0);
        }
    }

    private static unsafe int GetDumpable() => prctl(PR_GET_DUMPABLE, null, 0, 0, 0);

    private static unsafe void SetDumpable(int value) => prctl(PR_SET_DUMPABLE, (void*)value, 0, 0, 0);
}
