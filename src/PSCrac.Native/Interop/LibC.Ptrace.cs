using System.Runtime.InteropServices;

namespace PSCrac.Interop;

internal static unsafe partial class LibC
{
    // linux/ptrace.h
    internal const int PTRACE_CONT = 7;
    internal const int PTRACE_DETACH = 17;
    internal const int PTRACE_SYSCALL = 24;
    internal const int PTRACE_SETOPTIONS = 0x4200;
    internal const int PTRACE_GETREGSET = 0x4204;
    internal const int PTRACE_SETREGSET = 0x4205;
    internal const int PTRACE_SEIZE = 0x4206;
    internal const int PTRACE_INTERRUPT = 0x4207;
    internal const int PTRACE_GETSIGMASK = 0x420a;
    internal const int PTRACE_SETSIGMASK = 0x420b;

    internal const int PTRACE_O_TRACESYSGOOD = 1;
    internal const int PTRACE_O_EXITKILL = 1 << 20;
    internal const int PTRACE_O_SUSPEND_SECCOMP = 1 << 21;

    /// <summary>The register set of PTRACE_GETREGSET that holds the general registers (NT_PRSTATUS in elf.h).</summary>
    internal const int GeneralRegisters = 1;

    [LibraryImport(Library, EntryPoint = "ptrace", SetLastError = true)]
    private static partial nint ptrace(nint request, nint thread, nint address, nint data);

    /// <summary>ptrace(2) of a request that takes numbers. Requests after the attachment must come from the thread that attached.</summary>
    internal static Errno Trace(int request, int thread, nint address, nint data) => ptrace(request, thread, address, data) == -1 ? LastError : Errno.None;

    /// <summary>The same for a request that reads or writes memory of the caller.</summary>
    internal static Errno Trace(int request, int thread, nint address, Span<byte> data)
    {
        fixed (byte* start = data)
        {
            return Trace(request, thread, address, (nint)start);
        }
    }

    /// <summary>The same for a request that takes a register set, with its length in bytes.</summary>
    internal static Errno TraceRegisters(int request, int thread, Span<byte> registers, out int length)
    {
        fixed (byte* start = registers)
        {
            // struct iovec
            nint* vector = stackalloc nint[2] { (nint)start, registers.Length };
            Errno errno = Trace(request, thread, GeneralRegisters, (nint)vector);
            length = (int)vector[1];
            return errno;
        }
    }
}
