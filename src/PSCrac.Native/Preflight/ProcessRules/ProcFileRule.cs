using System.Globalization;
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
                if (!descriptor.HasPath || subject.FindMount(descriptor.MountId)?.Mount.FileSystem != "proc"
                    || OwnerOf(descriptor.Target) is not { } owner || subject.Tree.Contains(owner))
                {
                    continue;
                }

                string what = $"descriptor {descriptor.Number}: {descriptor.Target}";
                if (ProcessIdentity.TryRead(owner) is null)
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

    private static int? OwnerOf(string path)
    {
        // /proc/1234 or /proc/1234/status
        ReadOnlySpan<char> rest = path.AsSpan("/proc/".Length <= path.Length ? "/proc/".Length : path.Length);
        int slash = rest.IndexOf('/');
        return int.TryParse(slash < 0 ? rest : rest[..slash], NumberStyles.None, CultureInfo.InvariantCulture, out int owner) ? owner : null;
    }
}
