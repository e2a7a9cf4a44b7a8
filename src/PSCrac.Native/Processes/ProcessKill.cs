using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes;

/// <summary>Signals processes by identity, so that another process that reused the pid gets none.</summary>
internal static class ProcessKill
{
    /// <summary>Kills the process if the pid still belongs to it.</summary>
    internal static void Kill(ProcessIdentity identity) => Send(identity, LibC.SIGKILL);

    /// <summary>Sends a signal to the process if the pid still belongs to it.</summary>
    internal static void Send(ProcessIdentity identity, int signal)
    {
        // With an open pidfd the check and the signal refer to the same process.
        using SafeFileHandle pidFd = LibC.OpenPidFd(identity.ProcessId, out Errno errno);
        // A process whose first thread has ended looks like a zombie while its other threads run, so zombies are signalled too.
        if (errno == 0 && identity.HoldsItsPid())
        {
            LibC.Signal(pidFd, signal);
        }
    }
}
