using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Procfs;

/// <summary>The C library calls that reading a process needs and the base library does not offer.</summary>
internal static unsafe partial class ProcfsNative
{
    internal const int EINTR = 4;
    internal const int ENOENT = 2;
    internal const int ESRCH = 3;
    internal const int EACCES = 13;
    internal const int EPERM = 1;
    internal const int ENXIO = 6;

    internal const int O_RDONLY = 0;
    internal const int O_DIRECTORY = 0x10000;
    internal const int O_CLOEXEC = 0x80000;

    internal const int AT_FDCWD = -100;

    /// <summary>open(2)'s relative form; the caller adds <see cref="O_CLOEXEC"/>.</summary>
    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle OpenAtOnce(int directory, string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle OpenAtOnce(SafeFileHandle directory, string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint ReadOnce(SafeFileHandle file, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint ReadLinkAtOnce(SafeFileHandle directory, string path, byte* buffer, nint count);

    /// <summary>Opens a path, trying again when a signal interrupts; the handle is invalid on failure and <paramref name="error"/> tells why.</summary>
    internal static SafeFileHandle Open(string path, int flags, out int error)
    {
        while (true)
        {
            SafeFileHandle handle = OpenAtOnce(AT_FDCWD, path, flags | O_CLOEXEC, 0);
            error = handle.IsInvalid ? Marshal.GetLastPInvokeError() : 0;
            if (error != EINTR)
            {
                return handle;
            }
        }
    }

    /// <summary>As <see cref="Open"/>, relative to a directory.</summary>
    internal static SafeFileHandle OpenAt(SafeFileHandle directory, string path, int flags, out int error)
    {
        while (true)
        {
            SafeFileHandle handle = OpenAtOnce(directory, path, flags | O_CLOEXEC, 0);
            error = handle.IsInvalid ? Marshal.GetLastPInvokeError() : 0;
            if (error != EINTR)
            {
                return handle;
            }
        }
    }

    /// <summary>Reads on from the file's position: the count of bytes, 0 at the end, -1 on failure.</summary>
    internal static int Read(SafeFileHandle file, Span<byte> buffer, out int error)
    {
        while (true)
        {
            nint count;
            fixed (byte* start = buffer)
            {
                count = ReadOnce(file, start, buffer.Length);
            }

            error = count < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (error != EINTR)
            {
                return (int)count;
            }
        }
    }

    /// <summary>Reads a link's text: the count of bytes, cut at the buffer's length, or -1 on failure.</summary>
    internal static int ReadLinkAt(SafeFileHandle directory, string path, Span<byte> buffer, out int error)
    {
        nint count;
        fixed (byte* start = buffer)
        {
            count = ReadLinkAtOnce(directory, path, start, buffer.Length);
        }

        error = count < 0 ? Marshal.GetLastPInvokeError() : 0;
        return (int)count;
    }
}
