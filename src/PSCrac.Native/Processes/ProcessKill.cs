using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes;

/// <summary>Ends processes by who they are, so that one which took over a pid meanwhile is not hit.</summary>
internal static class ProcessKill
{
    /// <summary>Kills the process, if its pid is still its own.</summary>
    internal static void Kill(ProcessIdentity identity)
    {
        // The descriptor pins whoever has the pid now; only then is it certain that the look and the signal meet the same one.
        using SafeFileHandle pidFd = LibC.OpenPidFd(identity.ProcessId, out Errno errno);
        // A process whose first thread has ended looks like a zombie while its other threads go on; a real one takes no harm.
        if (errno == 0 && identity.HoldsItsPid())
        {
            LibC.Signal(pidFd, LibC.SIGKILL);
        }
    }
}
