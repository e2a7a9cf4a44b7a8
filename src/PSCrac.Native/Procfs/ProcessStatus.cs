using System.Text;

namespace PSCrac.Procfs;

/// <summary>
/// What the kernel tells about a process as a whole: /proc/PID/stat and /proc/PID/status, both described in proc(5),
/// at the moment they were read. Ids are as the reader's own proc shows them, except <see cref="NamespaceProcessIds"/>.
/// </summary>
internal sealed record ProcessStatus
{
    private const uint KernelThreadFlag = 0x0020_0000; // PF_KTHREAD in the kernel's include/linux/sched.h

    /// <summary>The pid.</summary>
    internal required int ProcessId { get; init; }

    /// <summary>The parent's pid; 0 for the first process of a pid namespace, and for a parent outside it.</summary>
    internal required int ParentProcessId { get; init; }

    /// <summary>The process group.</summary>
    internal required int ProcessGroupId { get; init; }

    /// <summary>The session: the pid of the process that leads it, or led it. 0 where that lies outside our pid namespace.</summary>
    internal required int SessionId { get; init; }

    /// <summary>The session as the process sees it: 0 where its leader lies outside the process's own pid namespace.</summary>
    internal int InnermostSessionId { get; init; }

    /// <summary>The device number of the controlling terminal as field 7 of stat encodes it; 0 without one.</summary>
    internal required int TerminalDevice { get; init; }

    /// <summary>The terminal's foreground process group; -1 without a terminal.</summary>
    internal required int TerminalForegroundGroupId { get; init; }

    /// <summary>What the process's first thread is doing.</summary>
    internal required ProcessState State { get; init; }

    /// <summary>When the process started, in clock ticks (normally 1/100 s) since the machine did.</summary>
    internal required ulong StartTimeTicks { get; init; }

    /// <summary>The first 15 bytes of the program's name, or whatever the process set instead.</summary>
    internal required string CommandName { get; init; }

    /// <summary>The count of threads, at least 1; a zombie's is 1, or what its threads that still run make.</summary>
    internal required int ThreadCount { get; init; }

    /// <summary>Whether this is a thread of the kernel, which has no memory or files of its own.</summary>
    internal required bool IsKernelThread { get; init; }

    /// <summary>The status the process ended with, as wait(2) encodes it; 0 while it runs or where the kernel does not tell.</summary>
    internal int ExitStatus { get; init; }

    /// <summary>The real user id; -1 when not known.</summary>
    internal int UserId { get; init; } = -1;

    /// <summary>The effective user id; -1 when not known.</summary>
    internal int EffectiveUserId { get; init; } = -1;

    /// <summary>The pid of the debugger; 0 without one.</summary>
    internal int TracerProcessId { get; init; }

    /// <summary>The pid in each pid namespace the process is in, from the reader's to its own. One number when both are the same.</summary>
    internal IReadOnlyList<int> NamespaceProcessIds { get; init; } = [];

    /// <summary>The pid the process sees itself under.</summary>
    internal int InnermostProcessId => NamespaceProcessIds.Count > 0 ? NamespaceProcessIds[^1] : ProcessId;

    /// <summary>Memory that is in RAM, bytes, files' pages included (VmRSS); 0 for kernel threads and zombies. Exact to some pages a thread.</summary>
    internal long ResidentBytes { get; init; }

    /// <summary>Memory that no file backs, bytes: RssAnon, RssShmem and VmSwap together. Roughly what a dump writes.</summary>
    internal long AnonymousBytes { get; init; }

    /// <summary>Memory locked by mlock(2), bytes.</summary>
    internal long LockedBytes { get; init; }

    /// <summary>Memory on huge pages of hugetlbfs, bytes.</summary>
    internal long HugeBytes { get; init; }

    /// <summary>0 no seccomp, 1 strict, 2 filters.</summary>
    internal int SeccompMode { get; init; }

    /// <summary>The count of seccomp filters; 0 without any, and on kernels before 5.9.</summary>
    internal int SeccompFilterCount { get; init; }

    /// <summary>The effective capabilities, one bit each (capabilities(7)).</summary>
    internal ulong EffectiveCapabilities { get; init; }

    /// <summary>The pid with the start time: tells this process from a later one with the same pid.</summary>
    internal ProcessIdentity Identity => new(ProcessId, StartTimeTicks);

    /// <summary>Whether the process has ended and only its pid is left (zombie).</summary>
    internal bool HasEnded => State is ProcessState.Zombie or ProcessState.Dead;

    /// <summary>Whether the process leads its session.</summary>
    internal bool IsSessionLeader => SessionId == ProcessId;

    /// <summary>Reads a process's status; null when no process has this pid, or proc hides it.</summary>
    internal static ProcessStatus? TryRead(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        return directory is null ? null : TryRead(directory);
    }

    /// <summary>Reads the status of an opened process; null when it is gone.</summary>
    internal static ProcessStatus? TryRead(ProcessDirectory directory)
    {
        ProcessStatus? status = TryReadStat(directory);
        if (status is null || !directory.TryRead("status", out ProcText text))
        {
            return null;
        }

        using (text)
        {
            return ParseStatus(status, text.Bytes);
        }
    }

    /// <summary>Reads only /proc/PID/stat, which is enough for who a process is and whose child.</summary>
    internal static ProcessStatus? TryReadStat(ProcessDirectory directory)
    {
        if (!directory.TryRead("stat", out ProcText text, expectedLength: 1024))
        {
            return null;
        }

        using (text)
        {
            return ParseStat(text.Bytes);
        }
    }

    /// <summary>Parses the line of /proc/PID/stat; null when it is not one.</summary>
    internal static ProcessStatus? ParseStat(ReadOnlySpan<byte> text)
    {
        // A command's name may itself hold blanks and parentheses; nothing after it does.
        int open = text.IndexOf((byte)'(');
        int close = text.LastIndexOf((byte)')');
        if (open < 0 || close < open)
        {
            return null;
        }

        int processId = (int)AsciiReader.ParseInt64(text[..open]);
        string commandName = Encoding.UTF8.GetString(text[(open + 1)..close]);
        var fields = new AsciiReader(text[(close + 1)..]);
        ReadOnlySpan<byte> state = fields.ReadWord();
        if (state.IsEmpty)
        {
            return null;
        }

        int parent = fields.ReadInt32();
        int group = fields.ReadInt32();
        int session = fields.ReadInt32();
        int terminal = fields.ReadInt32();
        int foreground = fields.ReadInt32();
        uint flags = (uint)fields.ReadUInt64();
        fields.Skip(10); // 10 minflt to 19 nice
        int threads = fields.ReadInt32();
        fields.Skip(1); // 21 itrealvalue
        ulong started = fields.ReadUInt64();
        fields.Skip(29); // 23 vsize to 51 env_end
        int exitStatus = fields.ReadInt32();
        return new ProcessStatus
        {
            ProcessId = processId,
            ParentProcessId = parent,
            ProcessGroupId = group,
            SessionId = session,
            InnermostSessionId = session,
            TerminalDevice = terminal,
            TerminalForegroundGroupId = foreground,
            State = StateOf(state[0]),
            StartTimeTicks = started,
            CommandName = commandName,
            ThreadCount = threads,
            IsKernelThread = (flags & KernelThreadFlag) != 0,
            ExitStatus = exitStatus,
        };
    }

    private static ProcessStatus ParseStatus(ProcessStatus stat, ReadOnlySpan<byte> text)
    {
        var fields = new ProcessStatusFields();
        var lines = new AsciiReader(text);
        while (lines.TryReadField(out ReadOnlySpan<byte> key, out AsciiReader value))
        {
            fields.Take(key, value);
        }

        return fields.AddTo(stat);
    }

    private static ProcessState StateOf(byte letter) => letter switch
    {
        (byte)'R' => ProcessState.Running,
        (byte)'S' => ProcessState.Sleeping,
        (byte)'D' => ProcessState.DiskSleep,
        (byte)'T' => ProcessState.Stopped,
        (byte)'t' => ProcessState.TracingStop,
        (byte)'Z' => ProcessState.Zombie,
        (byte)'X' or (byte)'x' => ProcessState.Dead,
        (byte)'I' => ProcessState.Idle,
        (byte)'P' => ProcessState.Parked,
        _ => ProcessState.Unknown,
    };
}
