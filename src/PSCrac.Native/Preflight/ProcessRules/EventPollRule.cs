using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>The files that an epoll descriptor watches must still be open in the process, under any number (criu's eventpoll.c).</summary>
internal sealed class EventPollRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            foreach (ProcessDescriptor descriptor in member.Descriptors)
            {
                foreach (EventPollTarget target in descriptor.PollTargets)
                {
                    if (!IsOpen(member, target))
                    {
                        subject.Block(
                            member.ProcessId,
                            $"descriptor {descriptor.Number}: epoll that watches a file closed as descriptor {target.Descriptor}",
                            CracReason.ResourceUnsupported,
                            "Another process still has the file open, so epoll still watches it, but this process no longer has it open.",
                            "The program would have to remove it from the epoll set (EPOLL_CTL_DEL) before closing it.",
                            new("closed files that an epoll watches", $"descriptor {target.Descriptor}", $"descriptor {descriptor.Number}")
                            {
                                Key = (descriptor, target.Descriptor),
                                Why = "Another process still has the files open, so epoll still watches them, but this process no longer has them open.",
                                Action = static _ => "The program would have to remove them from the epoll set (EPOLL_CTL_DEL) before closing them.",
                            });
                    }
                }
            }
        }
    }

    private static bool IsOpen(ProcessSnapshot member, EventPollTarget target)
    {
        foreach (ProcessDescriptor descriptor in member.Descriptors)
        {
            if (descriptor.Status.Inode == target.Inode)
            {
                return true;
            }
        }

        return false;
    }
}
