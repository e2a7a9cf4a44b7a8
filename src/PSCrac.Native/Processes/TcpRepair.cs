using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes;

/// <summary>
/// Ends the repair mode of a process's TCP connections. criu reads a connection's state in this mode (soccr/soccr.c), in which a
/// program can neither send nor receive (EPERM), and a criu that was killed leaves the connections in it.
/// </summary>
internal static class TcpRepair
{
    /// <summary>
    /// Ends it on all connections of a process. Needs the permission to attach to it (pidfd_getfd(2)) and CAP_NET_ADMIN; where they
    /// are missing, the connections stay as they are.
    /// </summary>
    /// <param name="identity">The process. One that has ended has no connections.</param>
    /// <returns>The number of connections that were in repair mode and are not any more.</returns>
    internal static int End(ProcessIdentity identity)
    {
        using SafeFileHandle pidFd = LibC.OpenPidFd(identity.ProcessId, out Errno errno);
        using ProcessDirectory? directory = errno == 0 && identity.IsRunning() ? ProcessDirectory.TryOpen(identity.ProcessId) : null;
        int ended = 0;
        foreach (int number in directory?.ReadNumbers("fd") ?? [])
        {
            string? target = directory!.ReadLink(string.Create(CultureInfo.InvariantCulture, $"fd/{number}"));
            if (target?.StartsWith("socket:", StringComparison.Ordinal) == true)
            {
                using SafeFileHandle socket = LibC.GetDescriptor(pidFd, number, out errno);
                ended += errno == 0 && LibC.EndTcpRepair(socket) ? 1 : 0;
            }
        }

        return ended;
    }
}
