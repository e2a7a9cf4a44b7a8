using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    [LibraryImport(Library, EntryPoint = "getdents64", SetLastError = true)]
    private static partial nint getdents64(SafeHandle directory, byte* buffer, nuint count);

    /// <summary>Reads on in a directory: the count of bytes of whole entries, 0 at the end, -1 on failure (getdents64(2)).</summary>
    internal static int ReadEntries(SafeHandle directory, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return (int)getdents64(directory, start, (nuint)buffer.Length);
        }
    }
}
