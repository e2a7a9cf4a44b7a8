using PSCrac.Common;
using PSCrac.Options;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ProcessRules;

/// <summary>
/// The leaders of the tree's sessions and process groups; a restore must recreate them with the same ids (criu's pstree.c).
/// </summary>
internal sealed class SessionRule : PreflightRule
{
    internal override void Examine(PreflightSubject subject)
    {
        ProcessStatus root = subject.Tree.Root.Status;
        if (!root.HasEnded && !root.IsSessionLeader && root.InnermostSessionId != 0)
        {
            subject.Offer(
                root.ProcessId,
                $"session {root.SessionId}, which began outside the tree",
                CracReason.TerminalAttached,
                "It was started by a shell or another program and shares that program's session. A restored process with a terminal joins the session of the shell that restores it; one without gets a session of its own.",
                "Give -ShellJob, or start the program with setsid.",
                new OptionOffer(OptionTable.ShellJob));
        }

        var byId = new Dictionary<int, ProcessSnapshot>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            byId[member.ProcessId] = member;
        }

        var groups = new HashSet<int>();
        foreach (ProcessSnapshot member in subject.Tree.Members)
        {
            ExamineSession(subject, member.Status, root, byId);
            if (groups.Add(member.Status.ProcessGroupId))
            {
                ExamineGroup(subject, member.Status, root, byId);
            }
        }
    }

    private static void ExamineSession(PreflightSubject subject, ProcessStatus member, ProcessStatus root, Dictionary<int, ProcessSnapshot> byId)
    {
        if (member.InnermostSessionId == 0)
        {
            subject.Block(
                member.ProcessId,
                "a session whose leader is outside its pid namespace",
                CracReason.NamespaceUnsupported,
                "The session has no id in this pid namespace that a restore could use.",
                "Start the program with setsid.",
                new("processes in a session whose leader is outside their pid namespace"));
            return;
        }

        if (member.IsSessionLeader || member.SessionId == root.SessionId)
        {
            return;
        }

        if (byId.ContainsKey(member.SessionId))
        {
            if (!CanRecreateSession(member, root, byId))
            {
                subject.Block(
                    member.ProcessId,
                    $"session {member.SessionId}, whose leader is not its ancestor",
                    CracReason.ResourceUnsupported,
                    "It was adopted after its parent ended, and CRIU cannot tell how it joined that session: the checkpoint would succeed, the restore would fail.",
                    "The program would have to start it from the session's leader or let the root of the tree adopt it.",
                    new("processes in a session whose leader is not their ancestor", Place: $"session {member.SessionId}")
                    {
                        Why = "They were adopted after their parent ended, and CRIU cannot tell how they joined that session: the checkpoint would succeed, the restore would fail.",
                        Action = static _ => "The program would have to start them from the session's leader or let the root of the tree adopt them.",
                    });
            }
        }
        else if (ProcessIdentity.TryRead(member.SessionId) is not null)
        {
            subject.Warn(
                member.ProcessId,
                $"session {member.SessionId}, led by a process outside the tree",
                CracReason.PidInUse,
                "The restore recreates that session with a helper that has the leader's pid, so the leader must have ended by then.",
                "Checkpoint the leader's tree, or start the program with setsid.",
                new("processes in a session led by a process outside the tree", Place: $"session {member.SessionId}"));
        }
    }

    /// <summary>
    /// Whether the leader is an ancestor, or the parent is in the session as well, or the root adopted it: the cases that criu can
    /// recreate.
    /// </summary>
    private static bool CanRecreateSession(ProcessStatus member, ProcessStatus root, Dictionary<int, ProcessSnapshot> byId)
    {
        if (member.ParentProcessId == root.ProcessId)
        {
            return true;
        }

        int parent = member.ParentProcessId;
        while (byId.TryGetValue(parent, out ProcessSnapshot? ancestor))
        {
            if (ancestor.ProcessId == member.SessionId || (parent == member.ParentProcessId && ancestor.Status.SessionId == member.SessionId))
            {
                return true;
            }

            parent = ancestor.Status.ParentProcessId;
        }

        return false;
    }

    private static void ExamineGroup(PreflightSubject subject, ProcessStatus member, ProcessStatus root, Dictionary<int, ProcessSnapshot> byId)
    {
        int group = member.ProcessGroupId;
        if (group == 0 || group == member.ProcessId || byId.ContainsKey(group) || group == root.SessionId)
        {
            return;
        }

        if (ProcessStatus.TryRead(group) is { } leader)
        {
            subject.Warn(
                member.ProcessId,
                $"process group {group}, led by {leader.CommandName} outside the tree",
                CracReason.PidInUse,
                "The restore recreates the group with a helper that has the leader's pid, so the leader must have ended by then.",
                $"Restore it with -PidNamespace New; or end process {group} before the restore (Stop-Process -Id {group}).",
                new("process groups led by processes outside the tree", $"{group}", leader.CommandName)
                {
                    Why = "The restore recreates the groups with helpers that have the leaders' pids, so the leaders must have ended by then.",
                    Action = static groups => $"Checkpoint the processes {FindingGroups.List(groups)} with them, or restore into a new pid namespace (-PidNamespace New).",
                    NamesProcess = false,
                });
        }
    }
}
