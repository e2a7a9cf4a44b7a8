using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.PidNamespaces;

/// <summary>
/// The last pid of this pid namespace, after which the kernel goes on (ns_last_pid, pid_namespaces(7)). Most containers have /proc/sys
/// mounted read-only; a proc that a thread mounts in a mount namespace of its own is writable.
/// </summary>
internal static class LastPid
{
    /// <summary>The file.</summary>
    internal const string Path = "/proc/sys/kernel/ns_last_pid";

    /// <summary>Sets the last pid. Pids that are taken are left out by the kernel.</summary>
    /// <returns>The errno of the failure.</returns>
    internal static Errno Set(int last)
    {
        Errno errno = Write(last);
        return errno is Errno.None or Errno.ENOENT ? errno : NamespaceThread.Run(() => WriteInOwnMounts(last)) == Errno.None ? Errno.None : errno;
    }

    /// <summary>Sets the last pid unless it is higher.</summary>
    /// <param name="last">The pid.</param>
    /// <param name="isRaised">Whether it was lower.</param>
    /// <returns>The errno of the failure.</returns>
    internal static Errno Raise(int last, out bool isRaised)
    {
        isRaised = !(Read() >= last);
        return isRaised ? Set(last) : Errno.None;
    }

    private static int? Read()
    {
        try
        {
            return int.TryParse(File.ReadAllText(Path), NumberStyles.Integer, CultureInfo.InvariantCulture, out int last) ? last : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static Errno WriteInOwnMounts(int last)
    {
        Errno errno = LibC.EnterOwnMounts();
        errno = errno != 0 ? errno : LibC.MountProc("/proc");
        return errno != 0 ? errno : Write(last);
    }

    private static Errno Write(int last)
    {
        using SafeFileHandle file = LibC.Open(Path, LibC.O_WRONLY, out Errno errno);
        return errno != 0 ? errno : LibC.TryWrite(file, Encoding.ASCII.GetBytes(last.ToString(CultureInfo.InvariantCulture))) ? Errno.None : Errno.EPERM;
    }
}
