using System.Buffers.Binary;
using PSCrac.Interop;

namespace PSCrac.Processes.Tracing;

/// <summary>
/// Traces a thread that another process traces: a thread has only one tracer. The other process is stopped, and makes the ptrace(2) calls.
/// </summary>
internal sealed class BorrowedTracer : ThreadTracer
{
    private const int VectorLength = 16; // struct iovec
    private const int WaitAll = 0x4000_0000; // __WALL
    private const int StatusShift = 8; // wait(2)
    private const int StoppedMark = 0x7f;

    private readonly StoppedThread _owner;
    private readonly int _idThere;

    /// <summary>Creates the tracer for a stopped thread of the owner.</summary>
    /// <param name="owner">The process that traces the thread.</param>
    /// <param name="threadId">The thread's id here.</param>
    /// <param name="idThere">The thread's id in the owner's pid namespace.</param>
    internal BorrowedTracer(StoppedThread owner, int threadId, int idThere)
    {
        _owner = owner;
        _idThere = idThere;
        ThreadId = threadId;
    }

    /// <inheritdoc/>
    internal override int ThreadId { get; }

    /// <inheritdoc/>
    internal override Errno Request(int request, nint address, nint data) => ErrnoOf(_owner.Call(_owner.Convention.Ptrace, request, _idThere, address, data));

    /// <inheritdoc/>
    internal override Errno Request(int request, nint address, Span<byte> data)
    {
        _owner.Write(0, data);
        Errno errno = Request(request, address, (nint)_owner.Scratch);
        _owner.Read(0, data);
        return errno;
    }

    /// <inheritdoc/>
    internal override Errno Registers(int request, Span<byte> registers, out int length)
    {
        Span<byte> vector = stackalloc byte[VectorLength];
        BinaryPrimitives.WriteInt64LittleEndian(vector, (long)_owner.Scratch + VectorLength);
        BinaryPrimitives.WriteInt64LittleEndian(vector[8..], registers.Length);
        _owner.Write(0, vector);
        _owner.Write(VectorLength, registers);
        Errno errno = Request(request, LibC.GeneralRegisters, (nint)_owner.Scratch);
        _owner.Read(0, vector);
        _owner.Read(VectorLength, registers);
        length = (int)BinaryPrimitives.ReadInt64LittleEndian(vector[8..]);
        return errno;
    }

    /// <inheritdoc/>
    internal override bool WaitForStop(out int status)
    {
        long result;
        do
        {
            result = _owner.Call(_owner.Convention.Wait4, _idThere, (long)_owner.Scratch, WaitAll, 0);
        }
        while (SystemCallConvention.WasInterrupted(result));
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        _owner.Read(0, bytes);
        int wait = BinaryPrimitives.ReadInt32LittleEndian(bytes);
        status = wait >> StatusShift;
        return result == _idThere && (wait & StoppedMark) == StoppedMark;
    }

    /// <summary>The thread stays its owner's.</summary>
    public override void Dispose()
    {
    }

    private static Errno ErrnoOf(long result) => result < 0 ? (Errno)(int)-result : Errno.None;
}
