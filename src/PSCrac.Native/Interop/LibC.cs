using System.Runtime.InteropServices;

namespace PSCrac.Interop;

/// <summary>The C library's calls that .NET has no name for. One part a subject: files, processes, sockets.</summary>
internal static partial class LibC
{
    private const string Library = "libc";

    internal const int EPERM = 1;
    internal const int ENOENT = 2;
    internal const int ESRCH = 3;
    internal const int EINTR = 4;
    internal const int ECHILD = 10;
    internal const int EAGAIN = 11;
    internal const int EACCES = 13;
    internal const int EEXIST = 17;
    internal const int ENOTDIR = 20;
    internal const int EINVAL = 22;
    internal const int ENOSPC = 28;
    internal const int EROFS = 30;
    internal const int ELOOP = 40;
    internal const int ENOTEMPTY = 39;
    internal const int EDQUOT = 122;

    /// <summary>The system's own sentence for an errno value (strerror(3)).</summary>
    internal static string Message(int errno) => Marshal.GetPInvokeErrorMessage(errno);
}
