using System.Runtime.InteropServices;

namespace PSCrac.Init;

/// <summary>The C library's calls that the init makes. Nothing else of .NET is touched, since each part would cost memory for good.</summary>
internal static unsafe partial class LibC
{
    internal const int EINTR = 4;
    internal const int SIGHUP = 1;
    internal const int SIGINT = 2;
    internal const int SIGTERM = 15;
    internal const int SIGCHLD = 17;

    internal const short POLLIN = 1;
    internal const ulong MS_NOSUID = 2;
    internal const ulong MS_NODEV = 4;
    internal const ulong MS_NOEXEC = 8;
    internal const int O_RDONLY = 0;
    internal const int O_WRONLY = 1;
    internal const int O_NOCTTY = 0x100;
    internal const int O_APPEND = 0x400;
    internal const int O_CLOEXEC = 0x80000;
    internal const int SFD_CLOEXEC = 0x80000;
    internal const int MSG_DONTWAIT = 0x40;
    internal const int MSG_NOSIGNAL = 0x4000;
    internal const int P_ALL = 0;
    internal const int WNOHANG = 1;
    internal const int WEXITED = 4;
    internal const int CLD_EXITED = 1;
    internal const int PR_SET_NAME = 15;

    private const string Library = "libc";

    internal static int Errno => Marshal.GetLastPInvokeError();

    [LibraryImport(Library, EntryPoint = "mount", SetLastError = true)]
    internal static partial int Mount(byte* source, byte* target, byte* type, ulong flags, byte* data);

    [LibraryImport(Library, EntryPoint = "open", SetLastError = true)]
    internal static partial int Open(byte* path, int flags);

    [LibraryImport(Library, EntryPoint = "read", SetLastError = true)]
    internal static partial nint Read(int descriptor, void* buffer, nuint length);

    [LibraryImport(Library, EntryPoint = "write", SetLastError = true)]
    internal static partial nint Write(int descriptor, void* buffer, nuint length);

    [LibraryImport(Library, EntryPoint = "close")]
    internal static partial int Close(int descriptor);

    [LibraryImport(Library, EntryPoint = "send", SetLastError = true)]
    internal static partial nint Send(int socket, void* buffer, nuint length, int flags);

    [LibraryImport(Library, EntryPoint = "recv", SetLastError = true)]
    internal static partial nint Receive(int socket, void* buffer, nuint length, int flags);

    [LibraryImport(Library, EntryPoint = "poll", SetLastError = true)]
    internal static partial int Poll(PollDescriptor* descriptors, nuint count, int timeout);

    [LibraryImport(Library, EntryPoint = "signalfd", SetLastError = true)]
    internal static partial int SignalFd(int descriptor, ulong* mask, int flags);

    [LibraryImport(Library, EntryPoint = "waitid", SetLastError = true)]
    internal static partial int WaitId(int idType, int id, int* info, int options);

    [LibraryImport(Library, EntryPoint = "kill")]
    internal static partial int Kill(int pid, int signal);

    [LibraryImport(Library, EntryPoint = "sigqueue")]
    internal static partial int SigQueue(int pid, int signal, nint value);

    [LibraryImport(Library, EntryPoint = "prctl")]
    internal static partial int PrCtl(int option, byte* value);

    [LibraryImport(Library, EntryPoint = "chdir", SetLastError = true)]
    internal static partial int ChangeDirectory(byte* path);

    [LibraryImport(Library, EntryPoint = "getenv")]
    internal static partial byte* GetEnv(byte* name);

    [LibraryImport(Library, EntryPoint = "unsetenv")]
    internal static partial int UnsetEnv(byte* name);

    [LibraryImport(Library, EntryPoint = "execv", SetLastError = true)]
    internal static partial int Exec(byte* path, byte** arguments);

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint SysCall(nint number, nint first, nint second);

    [LibraryImport(Library, EntryPoint = "_exit")]
    internal static partial void Exit(int code);

    [StructLayout(LayoutKind.Sequential)]
    internal struct PollDescriptor
    {
        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }
}
