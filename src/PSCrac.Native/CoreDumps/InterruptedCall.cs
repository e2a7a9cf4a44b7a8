using System.Buffers.Binary;
using PSCrac.Interop;

namespace PSCrac.CoreDumps;

/// <summary>
/// The registers of a thread that the freeze interrupted in a system call. A debugger that stops a live process sees the thread behind the
/// call, with one of the kernel's own results that mean a restart. criu stores the thread before the call, so that a restore repeats it
/// (get_task_regs in compel's infect.c), or behind it with EINTR. That is undone here for x64: with the stored registers debuggers
/// cannot tell that the thread is in a call, and take the program counter for one in the middle of a function. On arm64 the kernel
/// itself steps back before a debugger sees the thread, and nothing is to be undone.
/// </summary>
internal static class InterruptedCall
{
    // Offsets of registers in bytes.
    private const int R10 = 7 * 8;
    private const int Ax = 10 * 8;
    private const int Si = 13 * 8;
    private const int OriginalAx = 15 * 8;
    private const int Ip = 16 * 8;

    // include/linux/errno.h of the kernel.
    private const long RestartSys = -512;
    private const long RestartNoInterrupt = -513;
    private const long RestartNoHandler = -514;
    private const long RestartBlock = -516;

    private const ulong AbsoluteTime = 1;
    private const ulong FutexCommand = 0x7f;
    private const ulong SyscallLength = 2;

    /// <summary>Reads memory of the process; false if it is not to be had.</summary>
    internal delegate bool MemoryReader(ulong address, Span<byte> buffer);

    /// <summary>Sets the registers to what a debugger of the live process would see.</summary>
    /// <param name="registers">The general registers.</param>
    /// <param name="read">Reads the instructions, which decide.</param>
    /// <returns>Whether they were changed.</returns>
    internal static bool Undo(Span<byte> registers, MemoryReader read)
    {
        ulong call = Get(registers, OriginalAx);
        ulong result = Get(registers, Ax);
        ulong next = Get(registers, Ip);
        if ((long)call < 0)
        {
            return false;
        }

        if (result == call && IsSyscall(next, read))
        {
            Set(registers, Ip, next + SyscallLength);
            Set(registers, Ax, (ulong)ResultOf(call, registers));
            return true;
        }

        bool isCut = (long)result == -(int)Errno.EINTR && ResultOf(call, registers) == RestartBlock && IsSyscall(next - SyscallLength, read);
        if (isCut)
        {
            Set(registers, Ax, unchecked((ulong)RestartBlock));
        }

        return isCut;
    }

    // The numbers of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl); what each returns is in its source.
    private static long ResultOf(ulong call, ReadOnlySpan<byte> registers) => call switch
    {
        // poll, nanosleep, restart_syscall
        7 or 35 or 219 => RestartBlock,

        // futex: FUTEX_WAIT and FUTEX_WAIT_BITSET with a timeout; FUTEX_LOCK_PI
        202 => (Get(registers, Si) & FutexCommand) switch
        {
            0 or 9 when Get(registers, R10) != 0 => RestartBlock,
            6 or 13 => RestartNoInterrupt,
            _ => RestartSys,
        },

        // clock_nanosleep
        230 => (Get(registers, Si) & AbsoluteTime) != 0 ? RestartNoHandler : RestartBlock,

        // select, pause, msgsnd, msgrcv, rt_sigsuspend, pselect6, ppoll
        23 or 34 or 69 or 70 or 130 or 270 or 271 => RestartNoHandler,

        // semop, rt_sigtimedwait, io_getevents, semtimedop, epoll_wait, epoll_pwait, io_pgetevents, epoll_pwait2: PSCrac repeats these
        65 or 128 or 208 or 220 or 232 or 281 or 333 or 441 => -(int)Errno.EINTR,

        // clone, fork, vfork, clone3
        56 or 57 or 58 or 435 => RestartNoInterrupt,
        _ => RestartSys,
    };

    private static bool IsSyscall(ulong address, MemoryReader read)
    {
        Span<byte> instruction = stackalloc byte[(int)SyscallLength];
        return read(address, instruction) && instruction is [0x0f, 0x05];
    }

    private static ulong Get(ReadOnlySpan<byte> registers, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(registers[offset..]);

    private static void Set(Span<byte> registers, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(registers[offset..], value);
}
