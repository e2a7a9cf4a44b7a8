using Microsoft.Win32.SafeHandles;
using PSCrac.Images.Storage;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Jvm;

internal sealed partial class JvmAttachment
{
    // A JVM binds its socket to a temporary name and then renames the file. After a restore it listens under the temporary name,
    // and nothing listens at the file with the final one.
    private bool RemoveStaleSocket()
    {
        using FolderHandle folder = OpenTemporaryFolder();
        return folder.TryGetStatus(_socketName, out FileStatus status, out _)
            && status.Type == FileType.Socket && ReadTask() is { } task && status.UserId == task.User
            && folder.Delete(_socketName) == 0;
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

        using Trigger? trigger = CreateTrigger(task);
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

    // Without this file the signal makes the JVM print its threads. Null if such a file exists already.
    private Trigger? CreateTrigger(JvmTask task)
    {
        const uint Private = 0x180; // 0600
        string name = $".attach_pid{_jvm.InnerProcessId}";
        Errno errno = Errno.None;
        for (int place = 0; place < 2; place++)
        {
            FolderHandle? folder = place == 0 ? FolderHandle.TryOpen($"/proc/{_jvm.ProcessId}/cwd", out errno) : OpenTemporaryFolder();
            if (folder is null)
            {
                continue;
            }

            using SafeFileHandle file = folder.Create(name, out errno, Private);
            if (errno == 0)
            {
                // The JVM accepts a file of its own user only; newer ones accept root's, too.
                LibC.ChangeOwner(file, task.User, task.Group);
                FileStatus.TryReadAt(file, "", LibC.AT_EMPTY_PATH, out FileStatus status, out _);
                return new Trigger(folder, name, status);
            }

            folder.Dispose();
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

    /// <summary>The file, removed in the folder that it was created in, unless another has its name by then.</summary>
    private sealed class Trigger(FolderHandle folder, string name, FileStatus created) : IDisposable
    {
        public void Dispose()
        {
            if (folder.TryGetStatus(name, out FileStatus present, out _) && present.IsSameFile(created))
            {
                folder.Delete(name);
            }

            folder.Dispose();
        }
    }
}
