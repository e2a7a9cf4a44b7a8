using PSCrac.Criu;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Checkpointing;

/// <summary>
/// The processes of a checkpoint as they were before it, to find out what a criu that was killed has done to them. The kernel lets a
/// traced process continue when its tracer ends, wherever it is then: in criu's parasite, which finds its socket closed and returns to
/// the program, but leaves its mappings; or at an instruction that criu has put into the program, which ends the process.
/// </summary>
internal sealed class DumpedTree
{
    private const string CriuMapping = "/memfd:CRIUMFD";
    private const int SettleMilliseconds = 3000;
    private const int PollMilliseconds = 2;

    private readonly List<Member> _members = [];

    /// <summary>Reads what is to be compared.</summary>
    internal DumpedTree(ProcessTree tree)
    {
        foreach (ProcessTreeMember member in tree.Members)
        {
            using ProcessDirectory? directory = member.Status.HasEnded ? null : ProcessDirectory.TryOpen(member.ProcessId);
            if (directory is not null)
            {
                List<MemoryArea> areas = MemoryMap.TryRead(directory, namedOnly: true) ?? [];
                _members.Add(new Member(member.Status, [.. areas.Where(IsOfCriu).Select(static area => area.Inode)]));
            }
        }
    }

    /// <summary>Finds out how the processes are after criu has ended, lets continue what it has left stopped, and stops what was stopped.</summary>
    /// <param name="stoppedIds">The pids that criu had stopped, in the pid namespace of the tree. Others that are missing have ended by themselves.</param>
    internal WorkerHarm Examine(IReadOnlyList<int> stoppedIds)
    {
        HashSet<int> stopped = [.. stoppedIds];
        var dead = new List<Member>();
        var mapped = new List<(Member Member, int Count)>();
        int alive = 0;
        foreach (Member member in _members)
        {
            if (!Lives(member.Status.Identity))
            {
                dead.AddRange(stopped.Contains(member.Status.InnermostProcessId) ? [member] : []);
                continue;
            }

            alive++;
            RestoreStop(member.Status);
            if (CountMappings(member) is > 0 and var count)
            {
                mapped.Add((member, count));
            }
        }

        return Describe(dead, mapped, alive);
    }

    /// <summary>
    /// Explains a failure that criu's messages do not: a process that is killed while criu has it stopped makes criu fail at whatever
    /// it does next, or end at once.
    /// </summary>
    /// <param name="failure">The failure.</param>
    /// <param name="endedByItself">Whether nobody has killed criu.</param>
    /// <param name="readStoppedIds">Reads the pids that criu had stopped.</param>
    internal CracException? ExplainByEnd(Exception failure, bool endedByItself, Func<IReadOnlyList<int>> readStoppedIds)
    {
        if (failure is not CracException { Reason: CracReason.Unknown or CracReason.WorkerDied } unknown
            || (unknown.Reason == CracReason.WorkerDied && !endedByItself)
            || _members.FindAll(static member => !member.Status.Identity.IsRunning()) is not { Count: > 0 } ended)
        {
            return null;
        }

        HashSet<int> stopped = [.. readStoppedIds()];
        return ended.Find(member => stopped.Contains(member.Status.InnermostProcessId)) is not { } first ? null : new CracException(
            CracReason.ProcessGone,
            $"Process {first} ended while criu had it stopped.{(unknown.Reason == CracReason.WorkerDied && _members.Count > 1 ? $" {unknown.Message}" : "")}",
            "Get-Process shows what runs now; find out what has killed it (dmesg shows whether the kernel did, for want of memory).",
            failure)
        {
            LogPath = unknown.LogPath,
            CriuLines = unknown.CriuLines,
        };
    }

    private static WorkerHarm Describe(List<Member> dead, List<(Member Member, int Count)> mapped, int alive)
    {
        if (alive == 0)
        {
            return new WorkerHarm(
                dead.Count == 1 ? "The process has ended: criu had changed it, and could not change it back." : "All processes of the tree have ended: criu had changed them, and could not change them back.",
                "Start the program again. If nobody has killed criu, the kernel may have, for want of memory: dmesg shows it.");
        }

        string what = dead.Count > 0
            ? $"Of the processes, {Join(dead)} {(dead.Count == 1 ? "has" : "have")} ended, since criu could not change {(dead.Count == 1 ? "it" : "them")} back; the others continue"
            : alive == 1 ? "The process continues" : "The processes continue";
        what += mapped.Count == 0
            ? dead.Count > 0 ? "." : ", unharmed."
            : $", with memory mappings of criu's ({CriuMapping.TrimStart('/')}) left in {string.Join(", ", mapped.Select(static each => $"{each.Member} ({each.Count})"))}.";
        return new WorkerHarm(
            what,
            dead.Count > 0 ? "Start the program again; what is left of it may lack its other processes."
                : mapped.Count > 0 ? "Try again; the mappings do no harm to the program, and end with it."
                : WorkerHarm.TryAgain);
    }

    private static string Join(List<Member> members) => string.Join(", ", members);

    /// <summary>
    /// Whether a process lives, once all of its threads have continued: a thread that criu had in an impossible place ends its process
    /// when it runs next, and a process that criu has killed ends then too.
    /// </summary>
    /// <param name="identity">The process.</param>
    internal static bool Lives(ProcessIdentity identity)
    {
        long end = Environment.TickCount64 + SettleMilliseconds;
        var seen = new Dictionary<int, ulong>();
        while (true)
        {
            using ProcessDirectory? directory = ProcessDirectory.TryOpen(identity.ProcessId);
            if (directory is null || ProcessStatus.TryRead(directory) is not { IsKilled: false } status || status.Identity != identity || (status.HasEnded && status.ThreadCount == 1))
            {
                return false;
            }

            List<int> threads = directory.ReadNumbers("task") ?? [];
            if (threads.TrueForAll(id => HasContinued(directory, id, seen)) || Environment.TickCount64 > end)
            {
                return true;
            }

            Thread.Sleep(PollMilliseconds);
        }
    }

    private static void RestoreStop(ProcessStatus before)
    {
        bool wasStopped = before.State == ProcessState.Stopped;
        if (ProcessStatus.TryRead(before.ProcessId) is { HasEnded: false } now && now.Identity == before.Identity && wasStopped != (now.State == ProcessState.Stopped))
        {
            LibC.Kill(now.ProcessId, wasStopped ? LibC.SIGSTOP : LibC.SIGCONT);
        }
    }

    // A thread that sleeps has run since it was let go; one that is ready to run has, if its time on a processor grows.
    private static bool HasContinued(ProcessDirectory directory, int thread, Dictionary<int, ulong> seen)
    {
        if (!directory.TryRead($"task/{thread}/stat", out ProcText text))
        {
            return true;
        }

        ProcessState state;
        using (text)
        {
            state = ProcessStatus.ParseStat(text.Bytes)?.State ?? ProcessState.Unknown;
        }

        if (state == ProcessState.TracingStop)
        {
            return false;
        }

        if (state != ProcessState.Running || !directory.TryRead($"task/{thread}/schedstat", out ProcText times))
        {
            return true;
        }

        using (times)
        {
            ulong time = new AsciiReader(times.Bytes).ReadUInt64();
            return seen.TryGetValue(thread, out ulong first) ? first != time : !seen.TryAdd(thread, time);
        }
    }

    private static int CountMappings(Member member)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(member.Status.ProcessId);
        List<MemoryArea> areas = directory is null ? [] : MemoryMap.TryRead(directory, namedOnly: false) ?? [];
        return areas.Count(area => IsOfCriu(area) && !member.CriuInodes.Contains(area.Inode));
    }

    private static bool IsOfCriu(MemoryArea area) => area.Path == CriuMapping;

    private sealed record Member(ProcessStatus Status, HashSet<ulong> CriuInodes)
    {
        public override string ToString() => $"{Status.ProcessId} ({Status.CommandName})";
    }
}
