using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PSCrac.Interop;

internal static partial class LibC
{
    internal const int AT_FDCWD = -100;
    internal const int AT_REMOVEDIR = 0x200;

    internal const int O_RDONLY = 0;
    internal const int O_WRONLY = 1;
    internal const int O_RDWR = 2;
    internal const int O_CREAT = 0x40;
    internal const int O_EXCL = 0x80;
    internal const int O_NOCTTY = 0x100;
    internal const int O_APPEND = 0x400;
    internal const int O_NONBLOCK = 0x800;
    internal const int O_CLOEXEC = 0x80000;

    // These two differ by architecture (asm/fcntl.h): arm kept its own numbers.
    internal static readonly int O_DIRECTORY = IsArm ? 0x4000 : 0x10000;
    internal static readonly int O_NOFOLLOW = IsArm ? 0x8000 : 0x20000;

    internal const uint RENAME_NOREPLACE = 1;
    internal const uint RENAME_EXCHANGE = 2;

    internal const uint MFD_CLOEXEC = 1;

    private static bool IsArm => RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    [LibraryImport(Library, EntryPoint = "openat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int openat(int directory, string path, int flags, uint mode);

    [LibraryImport(Library, EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int renameat2(int fromDirectory, string from, int toDirectory, string to, uint flags);

    [LibraryImport(Library, EntryPoint = "fsync", SetLastError = true)]
    private static partial int fsync(int descriptor);

    [LibraryImport(Library, EntryPoint = "mkdirat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int mkdirat(int directory, string path, uint mode);

    [LibraryImport(Library, EntryPoint = "unlinkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int unlinkat(int directory, string path, int flags);

    [LibraryImport(Library, EntryPoint = "fchmodat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int fchmodat(int directory, string path, uint mode, int flags);

    [LibraryImport(Library, EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport(Library, EntryPoint = "flock", SetLastError = true)]
    private static partial int flock(int descriptor, int operation);

    [LibraryImport(Library, EntryPoint = "isatty", SetLastError = true)]
    private static partial int isatty(int descriptor);

    /// <summary>openat(2), close-on-exec always, tried again on EINTR. The handle is invalid on failure; errno tells why.</summary>
    internal static SafeFileHandle OpenAt(SafeHandle? directory, string path, int flags, out int errno, uint mode = 0)
    {
        using var at = new Borrowed(directory, AT_FDCWD);
        int result;
        do
        {
            result = openat(at.Descriptor, path, flags | O_CLOEXEC, mode);
            errno = result < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
        while (errno == EINTR);
        return new SafeFileHandle(result, ownsHandle: true);
    }

    /// <summary>renameat2(2). Returns errno, or 0.</summary>
    internal static int Rename(SafeHandle directory, string from, string to, uint flags) => Rename(directory, from, directory, to, flags);

    /// <summary>renameat2(2) from one directory to another. Returns errno, or 0.</summary>
    internal static int Rename(SafeHandle fromDirectory, string from, SafeHandle toDirectory, string to, uint flags)
    {
        using var source = new Borrowed(fromDirectory, AT_FDCWD);
        using var target = new Borrowed(toDirectory, AT_FDCWD);
        return renameat2(source.Descriptor, from, target.Descriptor, to, flags) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>fsync(2), tried again on EINTR. Returns errno, or 0.</summary>
    internal static int Sync(SafeHandle file)
    {
        using var at = new Borrowed(file, -1);
        int errno;
        do
        {
            errno = fsync(at.Descriptor) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
        while (errno == EINTR);
        return errno;
    }

    /// <summary>mkdirat(2). Returns errno, or 0.</summary>
    internal static int MakeDirectory(SafeHandle directory, string name, uint mode)
    {
        using var at = new Borrowed(directory, AT_FDCWD);
        return mkdirat(at.Descriptor, name, mode) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>unlinkat(2) of a file, or with <see cref="AT_REMOVEDIR"/> of an empty directory. Returns errno, or 0.</summary>
    internal static int Unlink(SafeHandle directory, string name, int flags)
    {
        using var at = new Borrowed(directory, AT_FDCWD);
        return unlinkat(at.Descriptor, name, flags) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>fchmodat(2). Returns errno, or 0.</summary>
    internal static int ChangeMode(SafeHandle directory, string name, uint mode)
    {
        using var at = new Borrowed(directory, AT_FDCWD);
        return fchmodat(at.Descriptor, name, mode, 0) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>memfd_create(2), close-on-exec. The handle is invalid on failure; errno tells why.</summary>
    internal static SafeFileHandle CreateMemoryFile(string name, out int errno)
    {
        int result = memfd_create(name, MFD_CLOEXEC);
        errno = result < 0 ? Marshal.GetLastPInvokeError() : 0;
        return new SafeFileHandle(result, ownsHandle: true);
    }

    /// <summary>
    /// flock(2) for oneself alone, without waiting. The lock is the open file's, and goes when its last descriptor, in
    /// whatever process, is closed. Returns errno, or 0; <see cref="EAGAIN"/> where another has it.
    /// </summary>
    internal static int TryLock(SafeHandle file)
    {
        const int LOCK_EX = 2;
        const int LOCK_NB = 4;
        using var at = new Borrowed(file, -1);
        return flock(at.Descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>isatty(3).</summary>
    internal static bool IsTerminal(SafeHandle file)
    {
        using var at = new Borrowed(file, -1);
        return isatty(at.Descriptor) == 1;
    }

    /// <summary>A handle's descriptor, kept from being closed while a call uses it.</summary>
    internal readonly ref struct Borrowed
    {
        private readonly SafeHandle? _handle;

        internal Borrowed(SafeHandle? handle, int whenNull)
        {
            if (handle is null)
            {
                Descriptor = whenNull;
                return;
            }

            bool added = false;
            handle.DangerousAddRef(ref added);
            _handle = added ? handle : null;
            Descriptor = (int)handle.DangerousGetHandle();
        }

        internal int Descriptor { get; }

        public void Dispose() => _handle?.DangerousRelease();
    }
}
