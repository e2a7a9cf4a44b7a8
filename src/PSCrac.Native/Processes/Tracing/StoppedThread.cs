using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Procfs;

namespace PSCrac.Processes.Tracing;

/// <summary>
/// A traced thread that has stopped, in which system calls are made. Afterwards its registers, its signal mask and its memory are as they
/// were, and an interrupted call goes on: the program notices nothing.
/// </summary>
internal sealed class StoppedThread : IDisposable
{
    private const int ScratchLength = 512;
    private const int StackAlignment = 16;
    private const int SearchLength = 1 << 20;
    private const int SystemCallStop = 5 | 0x80; // SIGTRAP, with the bit of PTRACE_O_TRACESYSGOOD

    private readonly ThreadTracer _tracer;
    private readonly SafeFileHandle _memory;
    private readonly byte[] _registers;
    private readonly byte[] _signals = new byte[sizeof(ulong)];
    private readonly byte[] _scratchContent = new byte[ScratchLength];
    private readonly ulong _instruction;
    private bool _wasToldToStop;

    /// <summary>Reads what is to be put back, and blocks signals.</summary>
    /// <param name="tracer">The tracer of the thread, which has stopped.</param>
    /// <exception cref="TraceException">The thread has ended, or is none of this architecture and word size.</exception>
    internal StoppedThread(ThreadTracer tracer)
    {
        _tracer = tracer;
        Convention = SystemCallConvention.Here ?? throw new TraceException(Errno.ENOSYS);
        _registers = new byte[Convention.RegistersLength];
        TraceException.ThrowIfFailed(tracer.Registers(LibC.PTRACE_GETREGSET, _registers, out int length));
        TraceException.ThrowIfFailed(length == Convention.RegistersLength ? Errno.None : Errno.ENOEXEC);
        TraceException.ThrowIfFailed(tracer.Request(LibC.PTRACE_GETSIGMASK, sizeof(ulong), _signals));
        _memory = LibC.Open($"/proc/{tracer.ThreadId}/mem", LibC.O_RDWR, out Errno errno);
        try
        {
            TraceException.ThrowIfFailed(errno);
            IReadOnlyList<MemoryArea> areas = MemoryMap.Read(tracer.ThreadId);
            _instruction = FindInstruction(areas);
            Scratch = FindScratch(areas);
            TraceException.ThrowIfFailed(tracer.Request(LibC.PTRACE_SETSIGMASK, sizeof(ulong), BitConverter.GetBytes(ulong.MaxValue)));
        }
        catch
        {
            _memory.Dispose();
            throw;
        }
    }

    /// <summary>How system calls are made there.</summary>
    internal SystemCallConvention Convention { get; }

    /// <summary>The address of memory for arguments.</summary>
    internal ulong Scratch { get; }

    /// <summary>Makes a system call in the thread.</summary>
    /// <returns>The result; an errno as a negative number.</returns>
    /// <exception cref="TraceException">The thread ended, or stopped outside of the call.</exception>
    internal long Call(long number, params ReadOnlySpan<long> arguments)
    {
        Span<byte> registers = stackalloc byte[_registers.Length];
        _registers.CopyTo(registers);
        Convention.Prepare(registers, _instruction, number, arguments);
        TraceException.ThrowIfFailed(_tracer.Registers(LibC.PTRACE_SETREGSET, registers, out _));
        Resume();
        Resume();
        TraceException.ThrowIfFailed(_tracer.Registers(LibC.PTRACE_GETREGSET, registers, out _));
        return SystemCallConvention.Get(registers, Convention.Result);
    }

    /// <summary>Reads the memory for arguments.</summary>
    internal void Read(int offset, Span<byte> bytes)
    {
        if (!TryRead(Scratch + (ulong)offset, bytes))
        {
            throw new TraceException(Errno.EINVAL);
        }
    }

    /// <summary>Writes the memory for arguments.</summary>
    internal void Write(int offset, ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(_memory, bytes, (long)Scratch + offset);
        }
        catch (IOException)
        {
            throw new TraceException(Errno.EINVAL);
        }
    }

    /// <summary>Puts everything back. What fails has ended, and has nothing to put back.</summary>
    public void Dispose()
    {
        try
        {
            Convention.Rewind(_registers);
            _tracer.Registers(LibC.PTRACE_SETREGSET, _registers, out _);
            _tracer.Request(LibC.PTRACE_SETSIGMASK, sizeof(ulong), _signals);
            Write(0, _scratchContent);
        }
        catch (TraceException)
        {
        }

        if (_wasToldToStop)
        {
            LibC.Kill(_tracer.ThreadId, LibC.SIGSTOP);
        }

        _memory.Dispose();
    }

    // To the entry of the call, and to its exit.
    private void Resume()
    {
        int status;
        do
        {
            TraceException.ThrowIfFailed(_tracer.Request(LibC.PTRACE_SYSCALL, 0, 0));
            TraceException.ThrowIfFailed(_tracer.WaitForStop(out status) ? Errno.None : Errno.ESRCH);

            // No mask blocks it; it takes effect later.
            _wasToldToStop |= status == LibC.SIGSTOP;
        }
        while (status == LibC.SIGSTOP);
        TraceException.ThrowIfFailed(status == SystemCallStop ? Errno.None : Errno.EINTR);
    }

    // The kernel's own code in each program (vdso(7)) has such an instruction; without it, the C library has.
    private ulong FindInstruction(IReadOnlyList<MemoryArea> areas)
    {
        byte[] code = new byte[SearchLength];
        foreach (MemoryArea area in areas.Where(static area => area.IsExecutable && area.Start < long.MaxValue).OrderByDescending(static area => area.Kind == MemoryAreaKind.Kernel))
        {
            Span<byte> read = code.AsSpan(0, (int)Math.Min(area.LengthBytes, SearchLength));
            for (int at = 0; TryRead(area.Start, read) && read[at..].IndexOf(Convention.Instruction) is >= 0 and var next; at += next + 1)
            {
                if ((at + next) % Convention.InstructionAlignment == 0)
                {
                    return area.Start + (ulong)(at + next);
                }
            }
        }

        throw new TraceException(Errno.ENOENT);
    }

    // Below the stack; or in data of a file, where the stack is still to come: criu leaves only memory without a file for later
    // (-LazyPages), and /proc/PID/mem does not wait for it.
    private ulong FindScratch(IReadOnlyList<MemoryArea> areas)
    {
        ulong stack = (ulong)SystemCallConvention.Get(_registers, Convention.StackPointer) - (ulong)Convention.RedZone - ScratchLength;
        foreach (ulong address in areas.Where(static area => area is { Kind: MemoryAreaKind.File, IsWritable: true, IsShared: false }).Select(static area => area.Start).Prepend(stack & ~(ulong)(StackAlignment - 1)))
        {
            if (TryRead(address, _scratchContent))
            {
                return address;
            }
        }

        throw new TraceException(Errno.ENOENT);
    }

    private bool TryRead(ulong address, Span<byte> bytes)
    {
        try
        {
            return RandomAccess.Read(_memory, bytes, (long)address) == bytes.Length;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
