using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

// Libraries are the loader's to find, or found by their paths (LibCriu); none is looked for beside the assembly.
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.System32)]

namespace PSCrac.Interop;

/// <summary>
/// The C library's calls that .NET has no name for, one part a header. An import takes handles, so that no descriptor is closed
/// under a call; what is not import says in .NET's terms what it does. A call that a signal interrupted is made again, where it
/// waits at all; what a call failed with is read at once and given as <see cref="Errno"/>.
/// </summary>
internal static partial class LibC
{
    private const string Library = "libc";

    /// <summary>No descriptor at all, for calls that then take none.</summary>
    internal static readonly SafeFileHandle NoDescriptor = new(-1, ownsHandle: false);

    /// <summary>The system's own sentence for what a call failed with (strerror(3)).</summary>
    internal static string Message(Errno errno) => Marshal.GetPInvokeErrorMessage((int)errno);

    /// <summary>What the call just made on this thread failed with.</summary>
    private static Errno LastError => (Errno)Marshal.GetLastPInvokeError();

    /// <summary>What a call that answers 0, or -1 and sets errno, came to.</summary>
    private static Errno Result(int answer) => answer == 0 ? Errno.None : LastError;

    /// <summary>What a call that answers a handle came to.</summary>
    private static Errno Result(SafeHandle answer) => answer.IsInvalid ? LastError : Errno.None;
}
