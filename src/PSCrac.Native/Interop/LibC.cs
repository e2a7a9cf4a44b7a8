using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

// The loader finds libraries, or they are loaded by path (LibCriu); the folder of the assembly is not searched.
[assembly: DefaultDllImportSearchPaths(DllImportSearchPath.System32)]

namespace PSCrac.Interop;

/// <summary>
/// C library calls that .NET does not provide, one file per header. Imports take handles, so that no descriptor is closed
/// during a call; the wrappers have .NET types and names. Calls that wait are repeated if a signal interrupted them.
/// The error of a call is read immediately and returned as <see cref="Errno"/>.
/// </summary>
internal static partial class LibC
{
    private const string Library = "libc";

    /// <summary>An invalid descriptor, for calls that accept none.</summary>
    internal static readonly SafeFileHandle NoDescriptor = new(-1, ownsHandle: false);

    /// <summary>The system's message for an errno (strerror(3)).</summary>
    internal static string Message(Errno errno) => Marshal.GetPInvokeErrorMessage((int)errno);

    /// <summary>The errno of the last call on this thread.</summary>
    private static Errno LastError => (Errno)Marshal.GetLastPInvokeError();

    /// <summary>The result of a call that returns 0, or -1 with errno set.</summary>
    private static Errno Result(int result) => result == 0 ? Errno.None : LastError;

    /// <summary>The result of a call that returns a handle.</summary>
    private static Errno Result(SafeHandle result) => result.IsInvalid ? LastError : Errno.None;
}
