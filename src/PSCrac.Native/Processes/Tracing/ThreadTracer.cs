using PSCrac.Interop;

namespace PSCrac.Processes.Tracing;

/// <summary>Traces one thread (ptrace(2)): by itself, or through the process that traces it.</summary>
internal abstract class ThreadTracer : IDisposable
{
    /// <summary>The thread's id here.</summary>
    internal abstract int ThreadId { get; }

    /// <summary>A request that takes numbers.</summary>
    internal abstract Errno Request(int request, nint address, nint data);

    /// <summary>A request that reads or writes memory of the tracer.</summary>
    internal abstract Errno Request(int request, nint address, Span<byte> data);

    /// <summary>PTRACE_GETREGSET or PTRACE_SETREGSET of the general registers.</summary>
    /// <param name="request">The request.</param>
    /// <param name="registers">The registers.</param>
    /// <param name="length">The number of bytes that the kernel read or wrote.</param>
    internal abstract Errno Registers(int request, Span<byte> registers, out int length);

    /// <summary>Waits until the thread stops.</summary>
    /// <param name="status">The signal of the stop, as <see cref="LibC.WaitForStop"/> returns it.</param>
    /// <returns>Whether it stopped; false if it ended.</returns>
    internal abstract bool WaitForStop(out int status);

    /// <summary>Ends the trace, if this began it.</summary>
    public abstract void Dispose();
}
