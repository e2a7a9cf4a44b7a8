using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.PidNamespaces;

/// <summary>The pid namespace of a process and its mount namespace, in which the pid namespace's proc is mounted.</summary>
internal sealed class PidNamespace : IDisposable
{
    private readonly SafeFileHandle _pids;
    private readonly SafeFileHandle _mounts;

    private PidNamespace(SafeFileHandle pids, SafeFileHandle mounts)
    {
        _pids = pids;
        _mounts = mounts;
    }

    /// <summary>Opens the namespaces of a process. They exist until this is disposed, even without processes.</summary>
    /// <param name="processId">The pid of the process in the caller's pid namespace.</param>
    /// <param name="errno">The errno of the failure; 0 on success.</param>
    internal static PidNamespace? TryOpen(int processId, out Errno errno)
    {
        SafeFileHandle pids = LibC.Open(Link(processId, "pid"), LibC.O_RDONLY, out errno);
        if (errno == 0)
        {
            SafeFileHandle mounts = LibC.Open(Link(processId, "mnt"), LibC.O_RDONLY, out errno);
            if (errno == 0)
            {
                return new PidNamespace(pids, mounts);
            }

            mounts.Dispose();
        }

        pids.Dispose();
        return null;
    }

    /// <summary>Runs an action with the files of the mount namespace; processes that it starts are in the pid namespace.</summary>
    /// <exception cref="CracException">The namespaces cannot be entered.</exception>
    internal T Run<T>(Func<T> action) => NamespaceThread.Run(() =>
    {
        // A thread that shares its root and working directory with other threads cannot enter a mount namespace (setns(2)).
        Errno errno = LibC.Unshare(LibC.CLONE_FS);
        errno = errno != 0 ? errno : LibC.Enter(_pids, LibC.CLONE_NEWPID);
        errno = errno != 0 ? errno : LibC.Enter(_mounts, LibC.CLONE_NEWNS);
        return errno == 0 ? action() : throw new CracException(
            errno == Errno.EPERM ? CracReason.PermissionDenied : CracReason.NamespaceUnsupported,
            $"The process's pid namespace could not be entered: {LibC.Message(errno)}.",
            "Run as root with CAP_SYS_ADMIN and CAP_SYS_CHROOT; a process in a rootless container must be checkpointed from inside it.");
    });

    public void Dispose()
    {
        _pids.Dispose();
        _mounts.Dispose();
    }

    private static string Link(int processId, string name) => string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/ns/{name}");
}
