using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    private const int AT_SYMLINK_FOLLOW = 0x400;
    private const int AT_HANDLE_FID = 0x200;

    [LibraryImport(Library, EntryPoint = "name_to_handle_at", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int name_to_handle_at(int directory, string path, byte* handle, int* mountId, int flags);

    /// <summary>
    /// The handle of a file (name_to_handle_at(2) with AT_HANDLE_FID, since Linux 6.5): its type, and its bytes. Null on failure.
    /// Symbolic links are followed.
    /// </summary>
    internal static (int Type, byte[] Bytes)? HandleOf(string path)
    {
        const int MaximumHandleSize = 128; // MAX_HANDLE_SZ
        const int HeaderSize = 8;
        const int CurrentFolder = -100; // AT_FDCWD
        byte* handle = stackalloc byte[HeaderSize + MaximumHandleSize];
        *(uint*)handle = MaximumHandleSize;
        int mountId;
        return name_to_handle_at(CurrentFolder, path, handle, &mountId, AT_SYMLINK_FOLLOW | AT_HANDLE_FID) == 0
            ? (*(int*)(handle + 4), new ReadOnlySpan<byte>(handle + HeaderSize, (int)*(uint*)handle).ToArray())
            : null;
    }
}
