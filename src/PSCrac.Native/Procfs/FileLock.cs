namespace PSCrac.Procfs;

/// <summary>The kind of a file lock.</summary>
internal enum FileLockKind
{
    /// <summary>A record lock of a process: fcntl(2) F_SETLK.</summary>
    Posix,

    /// <summary>A lock of an open file description on the whole file: flock(2).</summary>
    Flock,

    /// <summary>A record lock of an open file description: fcntl(2) F_OFD_SETLK.</summary>
    OpenFile,

    /// <summary>A lease, fcntl(2) F_SETLEASE, or a delegation of a file server.</summary>
    Lease,

    /// <summary>A kind that this version does not know.</summary>
    Other,
}

/// <summary>A lock that is held through a descriptor: a "lock:" line of /proc/PID/fdinfo/FD, in the format of /proc/locks (proc(5)).</summary>
/// <param name="Kind">The kind of lock.</param>
/// <param name="IsExclusive">Whether it is a write lock; a read lock is shared.</param>
/// <param name="IsBreaking">Whether it is a lease that the kernel is breaking.</param>
/// <param name="OwnerProcessId">The pid of the owner; -1 for locks of an open file description; 0 if the owner has ended or is outside the caller's pid namespace.</param>
/// <param name="Start">The first byte.</param>
/// <param name="End">The last byte; null for the end of the file, also if it grows.</param>
internal sealed record FileLock(FileLockKind Kind, bool IsExclusive, bool IsBreaking, int OwnerProcessId, long Start, long? End)
{
    /// <summary>Parses the text after "lock:"; null if it is empty, as older kernels write it for locks of other pid namespaces.</summary>
    internal static FileLock? Parse(ReadOnlySpan<byte> line)
    {
        // 1: POSIX  ADVISORY  WRITE 6721 fe:00:1048 0 EOF
        var words = new AsciiReader(line);
        if (words.ReadWord().IsEmpty)
        {
            return null;
        }

        ReadOnlySpan<byte> kind = words.ReadWord();
        ReadOnlySpan<byte> state = words.ReadWord();
        ReadOnlySpan<byte> access = words.ReadWord();
        int owner = words.ReadInt32();
        words.Skip(1);
        long start = words.ReadInt64();
        ReadOnlySpan<byte> end = words.ReadWord();
        return new FileLock(
            KindOf(kind),
            access.SequenceEqual("WRITE"u8),
            state.SequenceEqual("BREAKING"u8) || state.SequenceEqual("BREAKER"u8),
            owner,
            start,
            end.SequenceEqual("EOF"u8) ? null : AsciiReader.ParseInt64(end));
    }

    private static FileLockKind KindOf(ReadOnlySpan<byte> word) => word switch
    {
        _ when word.SequenceEqual("POSIX"u8) => FileLockKind.Posix,
        _ when word.SequenceEqual("FLOCK"u8) => FileLockKind.Flock,
        _ when word.SequenceEqual("OFDLCK"u8) => FileLockKind.OpenFile,
        _ when word.SequenceEqual("LEASE"u8) || word.SequenceEqual("DELEG"u8) => FileLockKind.Lease,
        _ => FileLockKind.Other,
    };
}
