using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    private const int AT_SYMLINK_FOLLOW = 0x400;
    private const int AT_HANDLE_FID = 0x200;

    // struct file_handle: its length, its type, MAX_HANDLE_SZ bytes at most.
    private const int HeaderSize = 8;
    private const int MaximumHandleSize = 128;

    [LibraryImport(Library, EntryPoint = "name_to_handle_at", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int name_to_handle_at(int directory, string path, byte* handle, int* mountId, int flags);

    [LibraryImport(Library, EntryPoint = "open_by_handle_at", SetLastError = true)]
    private static partial SafeFileHandle open_by_handle_at(SafeHandle mount, byte* handle, int flags);

    /// <summary>
    /// The handle of a file (name_to_handle_at(2) with AT_HANDLE_FID, since Linux 6.5): its type, and its bytes. Null on failure.
    /// Symbolic links are followed.
    /// </summary>
    internal static (int Type, byte[] Bytes)? HandleOf(string path)
    {
        const int CurrentFolder = -100; // AT_FDCWD
        byte* handle = stackalloc byte[HeaderSize + MaximumHandleSize];
        *(uint*)handle = MaximumHandleSize;
        int mountId;
        return name_to_handle_at(CurrentFolder, path, handle, &mountId, AT_SYMLINK_FOLLOW | AT_HANDLE_FID) == 0
            ? (*(int*)(handle + 4), new ReadOnlySpan<byte>(handle + HeaderSize, (int)*(uint*)handle).ToArray())
            : null;
    }

    /// <summary>Opens a file by its handle (open_by_handle_at(2)), as a path only. It needs CAP_DAC_READ_SEARCH.</summary>
    /// <param name="mount">Any file of its file system.</param>
    /// <param name="type">The handle's type.</param>
    /// <param name="bytes">The handle's bytes.</param>
    /// <param name="errno">Why not: ESTALE for a file that is gone, or a handle that only tells files apart.</param>
    internal static SafeFileHandle OpenByHandle(SafeHandle mount, int type, ReadOnlySpan<byte> bytes, out Errno errno)
    {
        byte* handle = stackalloc byte[HeaderSize + MaximumHandleSize];
        int length = Math.Min(bytes.Length, MaximumHandleSize);
        *(int*)handle = length;
        *(int*)(handle + 4) = type;
        bytes[..length].CopyTo(new Span<byte>(handle + HeaderSize, MaximumHandleSize));
        while (true)
        {
            SafeFileHandle file = open_by_handle_at(mount, handle, O_PATH | O_CLOEXEC);
            errno = Result(file);
            if (errno != Errno.EINTR)
            {
                return file;
            }
        }
    }
}
