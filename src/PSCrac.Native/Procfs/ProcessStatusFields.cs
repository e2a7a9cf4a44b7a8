namespace PSCrac.Procfs;

/// <summary>The values of the lines of /proc/PID/status (proc(5)) that <see cref="ProcessStatus"/> uses.</summary>
internal struct ProcessStatusFields
{
    private const int KiB = 1024;
    private int _user = -1;
    private int _effectiveUser = -1;
    private int _tracer;
    private int _seccomp;
    private int _filters;
    private long _resident;
    private long _anonymous;
    private long _locked;
    private long _huge;
    private ulong _capabilities;
    private ulong _pending;
    private int[] _namespaceIds = [];
    private int[] _sessionIds = [];

    /// <summary>Creates fields without values.</summary>
    public ProcessStatusFields()
    {
    }

    /// <summary>Reads the value of a line.</summary>
    /// <param name="key">The text before the colon.</param>
    /// <param name="words">The text after the colon.</param>
    internal void ReadLine(ReadOnlySpan<byte> key, AsciiReader words)
    {
        switch (key)
        {
            case var _ when key.SequenceEqual("Uid"u8):
                _user = words.ReadInt32();
                _effectiveUser = words.ReadInt32();
                break;
            case var _ when key.SequenceEqual("TracerPid"u8):
                _tracer = words.ReadInt32();
                break;
            case var _ when key.SequenceEqual("NSpid"u8):
                _namespaceIds = ReadNumbers(words);
                break;
            case var _ when key.SequenceEqual("NSsid"u8):
                _sessionIds = ReadNumbers(words);
                break;
            case var _ when key.SequenceEqual("VmRSS"u8):
                _resident = words.ReadInt64() * KiB;
                break;
            case var _ when key.SequenceEqual("RssAnon"u8) || key.SequenceEqual("RssShmem"u8) || key.SequenceEqual("VmSwap"u8):
                _anonymous += words.ReadInt64() * KiB;
                break;
            case var _ when key.SequenceEqual("VmLck"u8):
                _locked = words.ReadInt64() * KiB;
                break;
            case var _ when key.SequenceEqual("HugetlbPages"u8):
                _huge = words.ReadInt64() * KiB;
                break;
            case var _ when key.SequenceEqual("SigPnd"u8) || key.SequenceEqual("ShdPnd"u8):
                _pending |= words.ReadHex();
                break;
            case var _ when key.SequenceEqual("CapEff"u8):
                _capabilities = words.ReadHex();
                break;
            case var _ when key.SequenceEqual("Seccomp"u8):
                _seccomp = words.ReadInt32();
                break;
            case var _ when key.SequenceEqual("Seccomp_filters"u8):
                _filters = words.ReadInt32();
                break;
        }
    }

    /// <summary>Adds the values to a process's status.</summary>
    internal readonly ProcessStatus AddTo(ProcessStatus stat) => stat with
    {
        PendingSignals = _pending,
        UserId = _user,
        EffectiveUserId = _effectiveUser,
        TracerProcessId = _tracer,
        NamespaceProcessIds = _namespaceIds,
        InnermostSessionId = _sessionIds.Length > 0 ? _sessionIds[^1] : stat.SessionId,
        ResidentBytes = _resident,
        AnonymousBytes = _anonymous,
        LockedBytes = _locked,
        HugeBytes = _huge,
        EffectiveCapabilities = _capabilities,
        SeccompMode = _seccomp,
        SeccompFilterCount = _filters,
    };

    private static int[] ReadNumbers(AsciiReader words)
    {
        var numbers = new List<int>(2);
        for (ReadOnlySpan<byte> word = words.ReadWord(); !word.IsEmpty; word = words.ReadWord())
        {
            numbers.Add((int)AsciiReader.ParseInt64(word));
        }

        return [.. numbers];
    }
}
