using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

internal sealed partial class JvmAttachment
{
    // A JVM binds its socket to a temporary name and then renames the file. After a restore it listens under the temporary name,
    // and nothing listens at the file with the final one.
    private bool RemoveStaleSocket()
    {
        if (!FileStatus.TryRead(_socketPath, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus status, out _)
            || status.Type != FileType.Socket || ReadTask() is not { } task || status.UserId != task.User)
        {
            return false;
        }

        File.Delete(_socketPath);
        return true;
    }

    // Makes the JVM open its socket.
    private void Wake(Deadline limit)
    {
        using SafeFileHandle pidFd = LibC.OpenPidFd(_jvm.ProcessId, out Errno errno);
        if (errno != 0)
        {
            throw Gone();
        }

        // Read after the pidfd was opened, so this is the process that the signal reaches.
        JvmTask task = ReadTask() ?? throw Gone();
        if (!task.CatchesQuit)
        {
            throw new CracException(
                CracReason.JvmNotAttachable,
                $"Process {_jvm.ProcessId} does not handle the signal that asks a JVM for its socket, and would be ended by it.",
                "It may still be starting: try again in a moment.");
        }

        string? trigger = CreateTrigger(task);
        try
        {
            Errno failed = LibC.Signal(pidFd, LibC.SIGQUIT);
            if (failed != 0)
            {
                throw failed == Errno.ESRCH ? Gone() : PermissionDenied(null);
            }

            TimeSpan pause = MinimumPause;
            while (!HasSocket())
            {
                limit.Pause(pause, TimedOut);
                RequireAnswerable();
                pause = pause * 2 > Slice ? Slice : pause * 2;
            }
        }
        finally
        {
            if (trigger is not null)
            {
                File.Delete(trigger);
            }
        }
    }

    // Without this file the signal makes the JVM print its threads. Null if such a file exists already.
    private string? CreateTrigger(JvmTask task)
    {
        const uint Private = 0x180; // 0600
        Errno errno = Errno.None;
        foreach (string folder in (ReadOnlySpan<string>)["cwd", "root/tmp"])
        {
            string path = $"/proc/{_jvm.ProcessId}/{folder}/.attach_pid{_jvm.InnerProcessId}";
            using SafeFileHandle file = LibC.Open(path, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_EXCL | LibC.O_NOFOLLOW, out errno, Private);
            if (errno == 0)
            {
                // The JVM accepts a file of its own user only; newer ones accept root's, too.
                LibC.ChangeOwner(file, task.User, task.Group);
                return path;
            }

            if (errno == Errno.EEXIST)
            {
                return null;
            }
        }

        throw errno is Errno.EACCES or Errno.EPERM ? PermissionDenied(null) : new CracException(
            CracReason.JvmNotAttachable,
            $"The file that asks the JVM {_jvm.ProcessId} for its socket could be created neither in its working directory nor in its /tmp: {LibC.Message(errno)}.",
            "Give the JVM a /tmp that can be written to.");
    }
}
