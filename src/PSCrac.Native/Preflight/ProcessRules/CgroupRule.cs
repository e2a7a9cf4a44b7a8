using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>Control groups carry limits and accounting; a restore puts processes back into groups of the same paths where they exist (criu's cgroup.c).</summary>
internal sealed class CgroupRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        ProcessSnapshot root = subject.Tree.Root;
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            if (!member.IsReadable || member == root)
            {
                continue;
            }

            if (!AreSame(root.Cgroups, member.Cgroups))
            {
                subject.Note(
                    member.ProcessId,
                    $"control group {Describe(member.Cgroups)}, not the root's",
                    CracReason.ResourceUnsupported,
                    "The tree spans several control groups. The restore creates missing ones, but without their limits.",
                    cause: new("processes in a control group other than the root's", Place: Describe(member.Cgroups)));
            }
        }
    }

    private static bool AreSame(IReadOnlyList<ProcessCgroup> first, IReadOnlyList<ProcessCgroup> second)
    {
        if (first.Count != second.Count)
        {
            return false;
        }

        for (int i = 0; i < first.Count; i++)
        {
            if (first[i] != second[i])
            {
                return false;
            }
        }

        return true;
    }

    private static string Describe(IReadOnlyList<ProcessCgroup> groups)
    {
        foreach (ProcessCgroup group in groups)
        {
            if (group.Path != "/")
            {
                return group.Path;
            }
        }

        return "/";
    }
}
