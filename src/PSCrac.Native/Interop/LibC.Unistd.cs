using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    [LibraryImport(Library, EntryPoint = "read", SetLastError = true)]
    private static partial nint read(SafeHandle file, byte* buffer, nuint count);

    [LibraryImport(Library, EntryPoint = "write", SetLastError = true)]
    private static partial nint write(SafeHandle file, byte* buffer, nuint count);

    [LibraryImport(Library, EntryPoint = "chdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chdir(string path);

    [LibraryImport(Library, EntryPoint = "execv", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int execv(string path, byte** arguments);

    [LibraryImport(Library, EntryPoint = "readlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint readlinkat(SafeHandle directory, string path, byte* buffer, nuint count);

    [LibraryImport(Library, EntryPoint = "symlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int symlinkat(string target, SafeHandle directory, string path);

    [LibraryImport(Library, EntryPoint = "linkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int linkat(SafeHandle fromDirectory, string from, SafeHandle toDirectory, string to, int flags);

    [LibraryImport(Library, EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlinkat(SafeHandle directory, string path, int flags);

    [LibraryImport(Library, EntryPoint = "fchown", SetLastError = true)]
    private static partial int fchown(SafeHandle file, uint user, uint group);

    [LibraryImport(Library, EntryPoint = "fsync", SetLastError = true)]
    private static partial int fsync(SafeHandle descriptor);

    [LibraryImport(Library, EntryPoint = "pipe2", SetLastError = true)]
    private static partial int pipe2(int* pair, int flags);

    /// <summary>_exit(2): ends the process at once.</summary>
    [LibraryImport(Library, EntryPoint = "_exit")]
    internal static partial void Exit(int code);

    [LibraryImport(Library, EntryPoint = "getpid")]
    internal static partial int GetPid();

    [LibraryImport(Library, EntryPoint = "geteuid")]
    internal static partial uint GetEffectiveUserId();

    /// <summary>read(2) at the file position. Returns the number of bytes; 0 at the end, -1 on failure.</summary>
    internal static int Read(SafeHandle file, Span<byte> buffer, out Errno errno)
    {
        while (true)
        {
            nint count;
            fixed (byte* start = buffer)
            {
                count = read(file, start, (nuint)buffer.Length);
            }

            errno = count < 0 ? LastError : Errno.None;
            if (errno != Errno.EINTR)
            {
                return (int)count;
            }
        }
    }

    /// <summary>write(2) at the file position. False if not all bytes were written.</summary>
    internal static bool TryWrite(SafeHandle file, ReadOnlySpan<byte> bytes) => Write(file, bytes, out _) == bytes.Length;

    /// <summary>write(2) at the file position. Returns the number of bytes that were written; -1 on failure.</summary>
    internal static int Write(SafeHandle file, ReadOnlySpan<byte> bytes, out Errno errno)
    {
        while (true)
        {
            nint count;
            fixed (byte* start = bytes)
            {
                count = write(file, start, (nuint)bytes.Length);
            }

            errno = count < 0 ? LastError : Errno.None;
            if (errno != Errno.EINTR)
            {
                return (int)count;
            }
        }
    }

    /// <summary>chdir(2).</summary>
    internal static Errno ChangeDirectory(string path) => Result(chdir(path));

    /// <summary>execv(3); returns only on failure.</summary>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Null-terminated strings, followed by a null pointer.</param>
    internal static Errno Execute(string path, byte** arguments) => Result(execv(path, arguments));

    /// <summary>Reads a link (readlinkat(2)). Returns the number of bytes, limited to the buffer's length; -1 on failure.</summary>
    internal static int ReadLinkAt(SafeHandle directory, string path, Span<byte> buffer, out Errno errno)
    {
        nint count;
        fixed (byte* start = buffer)
        {
            count = readlinkat(directory, path, start, (nuint)buffer.Length);
        }

        errno = count < 0 ? LastError : Errno.None;
        return (int)count;
    }

    /// <summary>Creates a symbolic link (symlinkat(2)).</summary>
    internal static Errno MakeLink(SafeHandle directory, string name, string target) => Result(symlinkat(target, directory, name));

    /// <summary>Creates a hard link (linkat(2)); symbolic links are not followed.</summary>
    internal static Errno Link(string file, SafeHandle directory, string name) => Result(linkat(WorkingDirectory, file, directory, name, 0));

    /// <summary>The same for a file of a directory.</summary>
    internal static Errno Link(SafeHandle fromDirectory, string from, SafeHandle toDirectory, string to) => Result(linkat(fromDirectory, from, toDirectory, to, 0));

    /// <summary>unlinkat(2) of a file, or with <see cref="AT_REMOVEDIR"/> of an empty directory.</summary>
    internal static Errno Unlink(SafeHandle directory, string name, int flags) => Result(unlinkat(directory, name, flags));

    /// <summary>fchown(2).</summary>
    internal static Errno ChangeOwner(SafeHandle file, uint user, uint group) => Result(fchown(file, user, group));

    /// <summary>Creates a pipe, close-on-exec (pipe2(2)). Both handles are invalid on failure.</summary>
    internal static Errno CreatePipe(out SafeFileHandle read, out SafeFileHandle write)
    {
        int* pair = stackalloc int[2];
        Errno errno = Result(pipe2(pair, O_CLOEXEC));
        read = new SafeFileHandle(errno == 0 ? pair[0] : -1, ownsHandle: true);
        write = new SafeFileHandle(errno == 0 ? pair[1] : -1, ownsHandle: true);
        return errno;
    }

    /// <summary>fsync(2).</summary>
    internal static Errno Sync(SafeHandle file)
    {
        Errno errno;
        do
        {
            errno = Result(fsync(file));
        }
        while (errno == Errno.EINTR);
        return errno;
    }
}
