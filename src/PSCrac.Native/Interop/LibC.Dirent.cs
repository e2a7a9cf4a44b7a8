using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    [LibraryImport(Library, EntryPoint = "getdents64", SetLastError = true)]
    private static partial nint getdents64(SafeHandle directory, byte* buffer, nuint count);

    /// <summary>Reads the next directory entries (getdents64(2)). Returns the number of bytes; 0 at the end, -1 on failure.</summary>
    internal static int ReadEntries(SafeHandle directory, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return (int)getdents64(directory, start, (nuint)buffer.Length);
        }
    }
}
