using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

internal sealed partial class JvmAttachment
{
    // A JVM binds its socket to a name of its own and then renames the file, so one that criu has restored listens under
    // the first name, and the file under the second is a dead one.
    private bool RemoveLeftover()
    {
        if (!FileStatus.TryRead(_socketPath, LibC.AT_SYMLINK_NOFOLLOW, out FileStatus status, out _)
            || status.Type != FileType.Socket || ReadTask() is not { } task || status.UserId != task.User)
        {
            return false;
        }

        File.Delete(_socketPath);
        return true;
    }

    // Has the JVM open its socket.
    private void Wake(Deadline limit)
    {
        using SafeFileHandle pidFd = LibC.OpenPidFd(_jvm.ProcessId, out Errno errno);
        if (errno != 0)
        {
            throw Gone();
        }

        // The pidfd came first: what is read now belongs to the process that the signal will reach.
        JvmTask task = ReadTask() ?? throw Gone();
        if (!task.CatchesQuit)
        {
            throw new CracException(
                CracReason.JvmNotAttachable,
                $"Process {_jvm.ProcessId} does not handle the signal that asks a JVM for its socket, and would be ended by it.",
                "It may still be starting: try again in a moment.");
        }

        string? trigger = MakeTrigger(task);
        try
        {
            Errno failed = LibC.Signal(pidFd, LibC.SIGQUIT);
            if (failed != 0)
            {
                throw failed == Errno.ESRCH ? Gone() : NotAllowed(null);
            }

            TimeSpan pause = FirstPause;
            while (!SocketIsThere())
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

    // Without this file the signal makes the JVM print its threads. The path; null where such a file is there already.
    private string? MakeTrigger(JvmTask task)
    {
        const uint Private = 0x180; // 0600
        Errno errno = Errno.None;
        foreach (string folder in (ReadOnlySpan<string>)["cwd", "root/tmp"])
        {
            string path = $"/proc/{_jvm.ProcessId}/{folder}/.attach_pid{_jvm.InnerProcessId}";
            using SafeFileHandle file = LibC.Open(path, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_EXCL | LibC.O_NOFOLLOW, out errno, Private);
            if (errno == 0)
            {
                // The JVM wants the file to be its own user's, older ones root's not even.
                LibC.ChangeOwner(file, task.User, task.Group);
                return path;
            }

            if (errno == Errno.EEXIST)
            {
                return null;
            }
        }

        throw errno is Errno.EACCES or Errno.EPERM ? NotAllowed(null) : new CracException(
            CracReason.JvmNotAttachable,
            $"The file that asks the JVM {_jvm.ProcessId} for its socket could be made neither in its working directory nor in its /tmp: {LibC.Message(errno)}.",
            "Give the JVM a /tmp that can be written to.");
    }
}
