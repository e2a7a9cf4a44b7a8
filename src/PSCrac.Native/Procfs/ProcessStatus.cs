using System.Text;

namespace PSCrac.Procfs;

/// <summary>
/// The status of a process: /proc/PID/stat and /proc/PID/status (proc(5)),
/// at the time of reading. Ids are those of the reader's proc, except <see cref="NamespaceProcessIds"/>.
/// </summary>
internal sealed record ProcessStatus
{
    private const ulong KillSignal = 1 << (9 - 1); // SIGKILL
    private const uint KernelThreadFlag = 0x0020_0000; // PF_KTHREAD in the kernel's include/linux/sched.h

    /// <summary>The pid.</summary>
    internal required int ProcessId { get; init; }

    /// <summary>The parent's pid; 0 for the first process of a pid namespace, and for a parent outside it.</summary>
    internal required int ParentProcessId { get; init; }

    /// <summary>The process group id.</summary>
    internal required int ProcessGroupId { get; init; }

    /// <summary>The session id: the pid of the process that created it. 0 if that is outside the reader's pid namespace.</summary>
    internal required int SessionId { get; init; }

    /// <summary>The session id in the process's own pid namespace; 0 if the session's leader is outside it.</summary>
    internal int InnermostSessionId { get; init; }

    /// <summary>The device number of the controlling terminal in the encoding of field 7 of stat; 0 if there is none.</summary>
    internal required int TerminalDevice { get; init; }

    /// <summary>The terminal's foreground process group; -1 without a terminal.</summary>
    internal required int TerminalForegroundGroupId { get; init; }

    /// <summary>The state of the process's first thread.</summary>
    internal required ProcessState State { get; init; }

    /// <summary>The start time, in clock ticks (normally 1/100 s) since boot.</summary>
    internal required ulong StartTimeTicks { get; init; }

    /// <summary>The command name: the first 15 bytes of the program's name, or what the process set instead.</summary>
    internal required string CommandName { get; init; }

    /// <summary>The number of threads, at least 1; for a zombie, 1 or the number of its threads that still run.</summary>
    internal required int ThreadCount { get; init; }

    /// <summary>Whether this is a kernel thread, which has no memory or files of its own.</summary>
    internal required bool IsKernelThread { get; init; }

    /// <summary>The exit status, as wait(2) encodes it; 0 while the process runs or if access is denied.</summary>
    internal int ExitStatus { get; init; }

    /// <summary>The signals that were sent to the process or its first thread and have not taken effect; bit N - 1 is signal N (signal(7)).</summary>
    internal ulong PendingSignals { get; init; }

    /// <summary>Whether it was killed, but has not ended yet.</summary>
    internal bool IsKilled => (PendingSignals & KillSignal) != 0;

    /// <summary>The real user id; -1 if unknown.</summary>
    internal int UserId { get; init; } = -1;

    /// <summary>The effective user id; -1 if unknown.</summary>
    internal int EffectiveUserId { get; init; } = -1;

    /// <summary>The pid of the tracer, such as a debugger; 0 if there is none.</summary>
    internal int TracerProcessId { get; init; }

    /// <summary>The pid in each pid namespace from the reader's to the process's own. One element if they are the same.</summary>
    internal IReadOnlyList<int> NamespaceProcessIds { get; init; } = [];

    /// <summary>The pid in the process's own pid namespace.</summary>
    internal int InnermostProcessId => NamespaceProcessIds.Count > 0 ? NamespaceProcessIds[^1] : ProcessId;

    /// <summary>The resident memory, in bytes, including pages of files (VmRSS); 0 for kernel threads and zombies. Accurate to some pages per thread.</summary>
    internal long ResidentBytes { get; init; }

    /// <summary>Memory without a file, in bytes: the sum of RssAnon, RssShmem and VmSwap. Approximately the size of a dump.</summary>
    internal long AnonymousBytes { get; init; }

    /// <summary>Memory locked with mlock(2), in bytes.</summary>
    internal long LockedBytes { get; init; }

    /// <summary>Memory in huge pages of hugetlbfs, in bytes.</summary>
    internal long HugeBytes { get; init; }

    /// <summary>The seccomp mode: 0 none, 1 strict, 2 filters.</summary>
    internal int SeccompMode { get; init; }

    /// <summary>The number of seccomp filters; 0 on kernels before 5.9.</summary>
    internal int SeccompFilterCount { get; init; }

    /// <summary>The effective capabilities; bit N is capability N (capabilities(7)).</summary>
    internal ulong EffectiveCapabilities { get; init; }

    /// <summary>The pid with the start time, which distinguishes this process from a later one with the same pid.</summary>
    internal ProcessIdentity Identity => new(ProcessId, StartTimeTicks);

    /// <summary>Whether the process has ended but still has its pid (zombie).</summary>
    internal bool HasEnded => State is ProcessState.Zombie or ProcessState.Dead;

    /// <summary>Whether the process is the leader of its session.</summary>
    internal bool IsSessionLeader => SessionId == ProcessId;

    /// <summary>Reads a process's status; null if no process has this pid or proc hides it.</summary>
    internal static ProcessStatus? TryRead(int processId)
    {
        using ProcessDirectory? directory = ProcessDirectory.TryOpen(processId);
        return directory is null ? null : TryRead(directory);
    }

    /// <summary>Reads the status of an opened process; null if it has ended.</summary>
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

    /// <summary>Reads only /proc/PID/stat, which is enough for a process's identity and parent.</summary>
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

    /// <summary>Parses the line of /proc/PID/stat; null if it is invalid.</summary>
    internal static ProcessStatus? ParseStat(ReadOnlySpan<byte> text)
    {
        // A command name may contain spaces and parentheses; the other fields do not.
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
            fields.ReadLine(key, value);
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
