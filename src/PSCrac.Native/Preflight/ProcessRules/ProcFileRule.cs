using System.Globalization;
using PSCrac.Interop;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Open files in /proc that belong to one process: they are reopened by its pid (criu's files-reg.c).</summary>
internal sealed class ProcFileRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (!descriptor.HasPath || subject.FindMount(descriptor.MountId)?.Mount.FileSystem != "proc" || OwnerOf(descriptor.Target) is not { } owner)
                {
                    continue;
                }

                string what = $"descriptor {descriptor.Number}: {descriptor.Target}";
                bool hasEnded = !subject.Tree.Contains(owner) && ProcessIdentity.TryRead(owner) is null;
                if (BlockUnopenable(subject, member, descriptor, owner, hasEnded) || subject.Tree.Contains(owner))
                {
                    continue;
                }

                if (hasEnded)
                {
                    subject.Note(
                        member.ProcessId,
                        what,
                        CracReason.ProcessGone,
                        $"It belongs to process {owner}, which has ended. The restore starts a helper with that pid for it, so the pid must be free.",
                        cause: new("files of processes that have ended", descriptor.Target, $"descriptor {descriptor.Number}")
                        {
                            Why = "The restore starts a helper with the pid of each such process, so the pids must be free.",
                        });
                }
                else
                {
                    subject.Warn(
                        member.ProcessId,
                        what,
                        CracReason.FileChanged,
                        $"It belongs to process {owner} outside the tree; after the restore that pid may be another process, or none.",
                        "The program would have to open it again after the restore.",
                        new("files of processes outside the tree", descriptor.Target, $"descriptor {descriptor.Number}")
                        {
                            Why = "After the restore the pids may be those of other processes, or of none.",
                            Action = static _ => "The program would have to open them again after the restore.",
                        });
                }
            }
        }
    }

    private static bool BlockUnopenable(PreflightSubject subject, ProcessSnapshot member, ProcessDescriptor descriptor, int owner, bool hasEnded)
    {
        string what = $"descriptor {descriptor.Number}: {descriptor.Target}";
        if (ThreadOf(descriptor.Target) is { } thread && thread != owner && (hasEnded || subject.Tree.Contains(owner)))
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.ResourceUnsupported,
                $"It belongs to thread {thread}. CRIU opens the files of a process before it creates the threads, so the file does not exist then.",
                "The program would have to close it before the checkpoint and open it after the restore.",
                new("files of threads", descriptor.Target, $"descriptor {descriptor.Number}")
                {
                    Why = "CRIU opens the files of a process before it creates the threads, so the files do not exist then.",
                    Action = static _ => "The program would have to close them before the checkpoint and open them after the restore.",
                });
            return true;
        }

        // Some folders of a process, such as fd, cannot be read any more once it has ended.
        if (hasEnded && !FileStatus.TryRead($"/proc/{member.ProcessId}/fd/{descriptor.Number}", flags: 0, out _, out Errno errno) && errno == Errno.ENOENT)
        {
            subject.Block(
                member.ProcessId,
                what,
                CracReason.ProcessGone,
                $"It belongs to process {owner}, which has ended, and CRIU cannot read its status any more.",
                "The program would have to close it.",
                new("folders of processes that have ended", descriptor.Target, $"descriptor {descriptor.Number}")
                {
                    Why = "CRIU cannot read their status any more.",
                    Action = static _ => "The program would have to close them.",
                });
            return true;
        }

        return false;
    }

    // /proc/1234/task/1235/status
    private static int? ThreadOf(string path)
    {
        const string Task = "/task/";
        int task = path.IndexOf(Task, StringComparison.Ordinal);
        ReadOnlySpan<char> rest = task < 0 ? [] : path.AsSpan(task + Task.Length);
        int end = rest.IndexOfAny('/', ' ');
        return int.TryParse(end < 0 ? rest : rest[..end], NumberStyles.None, CultureInfo.InvariantCulture, out int thread) ? thread : null;
    }

    private static int? OwnerOf(string path)
    {
        // /proc/1234 or /proc/1234/status
        ReadOnlySpan<char> rest = path.AsSpan("/proc/".Length <= path.Length ? "/proc/".Length : path.Length);
        int slash = rest.IndexOfAny('/', ' ');
        return int.TryParse(slash < 0 ? rest : rest[..slash], NumberStyles.None, CultureInfo.InvariantCulture, out int owner) ? owner : null;
    }
}
