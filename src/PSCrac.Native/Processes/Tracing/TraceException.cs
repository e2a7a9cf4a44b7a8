using PSCrac.Interop;

namespace PSCrac.Processes.Tracing;

/// <summary>A thread cannot be traced, or stopped where nobody expects it. For callers that do without.</summary>
internal sealed class TraceException(Errno errno) : Exception(LibC.Message(errno))
{
    /// <summary>Throws if a request failed.</summary>
    internal static void ThrowIfFailed(Errno errno)
    {
        if (errno != Errno.None)
        {
            throw new TraceException(errno);
        }
    }
}
