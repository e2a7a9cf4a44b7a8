using System.Buffers.Binary;
using PSCrac.Interop;
using PSCrac.Processes.Tracing;
using PSCrac.Procfs;

namespace PSCrac.Restoring;

/// <summary>A lock of an image that the restored process does not have.</summary>
/// <param name="Owner">The owner's id in the image.</param>
/// <param name="ProcessId">The owner's id here.</param>
/// <param name="Descriptor">The descriptor through which it held the lock.</param>
/// <param name="Kind">The kind of lock.</param>
/// <param name="Type">F_RDLCK, F_WRLCK, or what another kind has in its place.</param>
/// <param name="Start">The first byte.</param>
/// <param name="Length">The number of bytes; 0 until the end of the file.</param>
internal sealed record LostLock(int Owner, int ProcessId, int Descriptor, FileLockKind Kind, short Type, long Start, long Length)
{
    private const int FlockLength = 32;
    private const int StartOffset = 8;
    private const int LengthOffset = 16;
    private const int F_SETLK = 6; // on 64 bit
    private const short F_WRLCK = 1;

    /// <summary>Takes it again, in its process.</summary>
    /// <exception cref="TraceException">The process ended.</exception>
    internal Errno Take(StoppedThread thread)
    {
        // struct flock; SEEK_SET is 0.
        Span<byte> request = stackalloc byte[FlockLength];
        request.Clear();
        BinaryPrimitives.WriteInt16LittleEndian(request, Type);
        BinaryPrimitives.WriteInt64LittleEndian(request[StartOffset..], Start);
        BinaryPrimitives.WriteInt64LittleEndian(request[LengthOffset..], Length);
        thread.Write(0, request);
        long result = thread.Call(thread.Convention.Fcntl, Descriptor, F_SETLK, (long)thread.Scratch);
        return result < 0 ? (Errno)(int)-result : Errno.None;
    }

    /// <summary>The lock as a process that holds it shows it, for a comparison with <see cref="Comparable"/>.</summary>
    internal FileLock AsHeld() => Comparable(new FileLock(Kind, Type == F_WRLCK, IsBreaking: false, 0, Start, Length == 0 ? null : Start + Length - 1));

    /// <summary>A lock without what does not count: the owner's id, and for a lock or lease of a whole file the access and the range.</summary>
    internal static FileLock Comparable(FileLock held) => held.Kind is FileLockKind.Flock or FileLockKind.Lease
        ? new FileLock(held.Kind, IsExclusive: false, IsBreaking: false, 0, 0, null)
        : held with { OwnerProcessId = 0, IsBreaking = false };

    /// <summary>Says what is missing.</summary>
    /// <param name="isTaken">Whether another process has it.</param>
    internal string Describe(bool isTaken)
    {
        string path = new FileInfo($"/proc/{ProcessId}/fd/{Descriptor}").LinkTarget ?? $"descriptor {Descriptor}";
        return $"Process {Owner} did not get back its {NameOf(Kind)} on {path}: another process {(isTaken ? "has taken it" : "can take it")}.";
    }

    private static string NameOf(FileLockKind kind) => kind switch
    {
        FileLockKind.Posix => "record lock",
        FileLockKind.Flock => "lock (flock)",
        FileLockKind.OpenFile => "open-file lock",
        _ => "lease",
    };
}
