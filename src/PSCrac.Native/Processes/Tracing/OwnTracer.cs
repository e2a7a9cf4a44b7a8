using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Processes.Tracing;

/// <summary>Traces a process of one thread. It ends if this process does, since it may be anywhere then. To be used from one thread.</summary>
internal sealed class OwnTracer : ThreadTracer
{
    private const int EventShift = 8;

    private readonly SafeFileHandle _process;

    private OwnTracer(int processId)
    {
        ThreadId = processId;
        _process = LibC.OpenPidFd(processId, out Errno errno);
        try
        {
            TraceException.ThrowIfFailed(errno);
            TraceException.ThrowIfFailed(LibC.Trace(LibC.PTRACE_SEIZE, processId, 0, LibC.PTRACE_O_TRACESYSGOOD | LibC.PTRACE_O_EXITKILL));
        }
        catch
        {
            _process.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    internal override int ThreadId { get; }

    /// <summary>Attaches to a process of one thread and stops it. The program does not notice.</summary>
    /// <exception cref="TraceException">It cannot be traced, or has ended.</exception>
    internal static OwnTracer Stop(int processId)
    {
        var tracer = new OwnTracer(processId);
        try
        {
            TraceException.ThrowIfFailed(tracer.Request(LibC.PTRACE_INTERRUPT, 0, 0));
            while (tracer.WaitForStop(out int status))
            {
                if (status >> EventShift != 0)
                {
                    return tracer;
                }

                // A signal was first, and is delivered.
                TraceException.ThrowIfFailed(tracer.Request(LibC.PTRACE_CONT, 0, status));
            }

            throw new TraceException(Errno.ESRCH);
        }
        catch
        {
            tracer.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    internal override Errno Request(int request, nint address, nint data) => LibC.Trace(request, ThreadId, address, data);

    /// <inheritdoc/>
    internal override Errno Request(int request, nint address, Span<byte> data) => LibC.Trace(request, ThreadId, address, data);

    /// <inheritdoc/>
    internal override Errno Registers(int request, Span<byte> registers, out int length) => LibC.TraceRegisters(request, ThreadId, registers, out length);

    /// <inheritdoc/>
    internal override bool WaitForStop(out int status) => LibC.WaitForStop(_process, out status);

    /// <inheritdoc/>
    public override void Dispose()
    {
        LibC.Trace(LibC.PTRACE_DETACH, ThreadId, 0, 0);
        _process.Dispose();
    }
}
