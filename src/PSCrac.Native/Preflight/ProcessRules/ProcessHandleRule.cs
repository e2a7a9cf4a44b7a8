using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>A pidfd can be saved only if its process is in the tree (criu's pidfd.c).</summary>
internal sealed class ProcessHandleRule : PreflightRule
{
    private const int ThreadFlag = 0x80; // PIDFD_THREAD is O_EXCL

    private static readonly Func<IReadOnlyList<string>, string> s_closeThem = static _ => "The program would have to close them before the checkpoint.";

    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                if (descriptor.TargetProcessId is not { } target)
                {
                    continue;
                }

                if ((descriptor.Flags & ThreadFlag) != 0)
                {
                    subject.Block(
                        member.ProcessId,
                        $"descriptor {descriptor.Number}: pidfd of a thread",
                        CracReason.ResourceUnsupported,
                        "CRIU supports pidfds of processes, not of threads.",
                        "The program would have to close it before the checkpoint.",
                        DescriptorCause.Of("pidfds of threads", descriptor) with { Action = s_closeThem });
                }
                else if (target > 0 && !subject.Tree.Contains(target))
                {
                    subject.Block(
                        member.ProcessId,
                        $"descriptor {descriptor.Number}: pidfd of process {target} outside the tree",
                        CracReason.ResourceUnsupported,
                        "The process it refers to is not part of the image and may not exist at the restore.",
                        "The program would have to close it before the checkpoint.",
                        new("pidfds of processes outside the tree", $"process {target}", $"descriptor {descriptor.Number}")
                        {
                            Why = "The processes they refer to are not part of the image and may not exist at the restore.",
                            Action = s_closeThem,
                            NamesProcess = false,
                        });
                }
            }
        }
    }
}
