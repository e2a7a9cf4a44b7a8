using System.Globalization;
using PSCrac.Common;
using PSCrac.Preflight.Subjects;
using PSCrac.Procfs;

namespace PSCrac.Preflight.ImageRules;

/// <summary>
/// Whether the pids are free: of processes, of threads, and of sessions and groups whose leaders are not in the image, for which
/// criu starts helpers under the leader's pid; and those that criu chooses for helpers itself (criu's pstree.c).
/// </summary>
internal sealed class PidRule : ImageRule
{
    // More than ten processes are given only by their number.
    private static readonly Func<IReadOnlyList<string>, string> s_endOwners = static owners =>
        owners.Any(static owner => !CanBeEnded(int.Parse(owner, CultureInfo.InvariantCulture))) ? "Restore into a new pid namespace: -PidNamespace New"
        : owners.Count == 1 ? $"End that process (Stop-Process -Id {owners[0]}), or restore into a new pid namespace: -PidNamespace New"
        : $"{(owners.Count <= 10 ? $"End those processes (Stop-Process -Id {string.Join(", ", owners)})" : $"End those {owners.Count} processes")}, or restore into a new pid namespace: -PidNamespace New";

    internal override void Examine(ImageSubject subject)
    {
        if (subject.Options.NewPidNamespace || subject.HoldsNamespace("pid"))
        {
            return;
        }

        foreach ((int processId, int id, string role) in FindRequiredIds(subject.Image))
        {
            ExamineId(subject, processId, id, role);
        }
    }

    /// <summary>The ids that must be free: the process, the id, and its role.</summary>
    internal static List<(int ProcessId, int Id, string Role)> FindRequiredIds(CracImage image)
    {
        var required = new List<(int, int, string)>();
        var known = new HashSet<int>();
        foreach (CracImageProcess process in image.Processes)
        {
            foreach (int thread in process.ThreadIds)
            {
                known.Add(thread);
                required.Add((process.ProcessId, thread, thread == process.ProcessId ? "process id" : "thread id"));
            }
        }

        // With shell-job, which a root without a session of its own needs, the tree joins the session and group of whoever
        // restores it, instead of the root's (prepare_pstree_for_shell_job() in criu's pstree.c).
        CracImageProcess root = image.Processes[0];
        bool joins = root.SessionId != root.ProcessId;
        if (joins)
        {
            known.Add(root.SessionId);
            known.Add(root.ProcessGroupId);
        }

        foreach (CracImageProcess process in image.Processes)
        {
            if (process.SessionId > 0 && known.Add(process.SessionId))
            {
                required.Add((process.ProcessId, process.SessionId, "session"));
            }

            if (process.ProcessGroupId > 0 && known.Add(process.ProcessGroupId))
            {
                required.Add((process.ProcessId, process.ProcessGroupId, "process group"));
            }
        }

        AddSessionHelpers(image, known, required);
        return required;
    }

    // A child of the root that was born in the session of another process of the image, and was adopted since, is born again as the child
    // of a helper in that session, under the first pid after the image's least that the image leaves free (prepare_pstree_ids() and
    // get_free_pid() in criu's pstree.c).
    private static void AddSessionHelpers(CracImage image, HashSet<int> known, List<(int ProcessId, int Id, string Role)> required)
    {
        const int FirstUnreserved = 301;
        CracImageProcess root = image.Processes[0];
        HashSet<int> sessions = [0, root.SessionId];
        foreach (CracImageProcess process in image.Processes)
        {
            if (process.ParentProcessId == root.ProcessId
                && process.SessionId != process.ProcessId
                && image.ProcessIds.Contains(process.SessionId)
                && sessions.Add(process.SessionId))
            {
                int id = Math.Max(known.Min() + 1, FirstUnreserved);
                while (!known.Add(id))
                {
                    id++;
                }

                required.Add((process.ProcessId, id, "session helper's process id"));
            }
        }
    }

    private static void ExamineId(ImageSubject subject, int processId, int id, string role)
    {
        if (FindOwner(id) is not { } owner)
        {
            ExamineGroup(subject, processId, id, role);
            return;
        }

        string what = $"{role} {id}";
        if (owner.HasEnded)
        {
            AddEnded(subject, processId, $"{what}: taken by {owner.CommandName}, which has ended (zombie)", owner.ParentProcessId, new("ids of zombies", $"{id}", owner.CommandName));
            return;
        }

        string who = owner.ProcessId == id ? $"{owner.CommandName} ({id})" : $"a thread of {owner.CommandName} ({owner.ProcessId})";
        subject.Block(
            processId,
            $"{what}: taken by {who}",
            CracReason.PidInUse,
            "A restored process needs its old pid, and another process has it now.",
            s_endOwners([$"{owner.ProcessId}"]),
            new("process and thread ids", $"{id}", $"taken by {owner.CommandName} ({owner.ProcessId})")
            {
                Argument = $"{owner.ProcessId}",
                Why = "Restored processes and threads need their old ids, and others have them now.",
                Action = s_endOwners,
                NamesProcess = false,
            });
    }

    // The id of a process group stays in use after its leader has ended.
    private static void ExamineGroup(ImageSubject subject, int processId, int id, string role)
    {
        if (!ProcessGroup.Exists(id) || ProcessGroup.FindMember(id) is not { } member)
        {
            return;
        }

        string what = $"{role} {id}: taken by the process group of {member.CommandName} ({member.ProcessId})";
        string place = $"with {member.CommandName} ({member.ProcessId})";
        if (member.HasEnded)
        {
            AddEnded(subject, processId, what + ", which has ended (zombie)", member.ParentProcessId, new("ids of process groups with zombies", $"{id}", place));
            return;
        }

        const string Why = "A pid is not free while a process group has it as its id.";
        subject.Block(
            processId,
            what,
            CracReason.PidInUse,
            Why,
            s_endOwners([$"{member.ProcessId}"]),
            new("ids of process groups", $"{id}", place)
            {
                Argument = $"{member.ProcessId}",
                Why = Why,
                Action = s_endOwners,
                NamesProcess = false,
            });
    }

    // A restore waits for it, and reports a time-out itself.
    private static void AddEnded(ImageSubject subject, int processId, string what, int parent, FindingCause cause)
    {
        bool isWaitedFor = subject.Options.WaitsForPids;
        string waitNote = isWaitedFor ? " A restore waits for that, up to its -PidTimeout." : string.Empty;
        string why = $"Its parent, process {parent}, has not waited for it yet (wait(2)), and the id stays taken until then.{waitNote}";
        cause = cause with
        {
            Argument = $"{parent}",
            Why = "Their parents have not waited for them yet (wait(2)), and the ids stay taken until then." + waitNote,
            NamesProcess = false,
        };
        if (isWaitedFor)
        {
            subject.Note(processId, what, CracReason.PidInUse, why, recommendedAction: null, cause);
        }
        else
        {
            subject.Block(
                processId,
                what,
                CracReason.PidInUse,
                why,
                $"Wait a moment (-PidTimeout){(CanBeEnded(parent) ? $", or end process {parent}" : string.Empty)}, or restore into a new pid namespace: -PidNamespace New",
                cause with
                {
                    Action = static parents => $"Wait a moment (-PidTimeout), or end the parents ({FindingGroups.List(parents)}), or restore into a new pid namespace: -PidNamespace New",
                });
        }
    }

    /// <summary>Whether a process can be ended to free its ids: it is not init, a kernel thread or this session.</summary>
    internal static bool CanBeEnded(int processId) =>
        processId > 1 && processId != Environment.ProcessId && ProcessStatus.TryRead(processId) is not { IsKernelThread: true };

    /// <summary>The process that a pid or thread id belongs to; null if the id is free.</summary>
    internal static ProcessStatus? FindOwner(int id)
    {
        // /proc has a directory for each thread id as well, whose status names the process: Tgid.
        if (!ProcText.TryRead(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/status"), out ProcText text))
        {
            return null;
        }

        int owner = id;
        using (text)
        {
            var lines = new AsciiReader(text.Bytes);
            while (lines.TryReadField(out ReadOnlySpan<byte> key, out AsciiReader value))
            {
                if (key.SequenceEqual("Tgid"u8))
                {
                    owner = value.ReadInt32();
                    break;
                }
            }
        }

        return ProcessStatus.TryRead(owner);
    }
}
