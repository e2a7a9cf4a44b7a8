using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace PSCrac.Processes.Tracing;

/// <summary>
/// How a system call is made on an architecture (syscall(2)), by offsets in the general registers as ptrace(2) returns them: struct
/// user_regs_struct of x86-64 (sys/user.h) and struct user_pt_regs of arm64 (asm/ptrace.h).
/// </summary>
internal sealed record SystemCallConvention
{
    // Results by which the kernel marks a call to repeat (the kernel's include/linux/errno.h). Programs never see them.
    private const long ERESTARTSYS = 512;
    private const long ERESTARTNOHAND = 514;
    private const long ERESTART_RESTARTBLOCK = 516;
    private const long EINTR = 4;

    private static readonly SystemCallConvention s_x64 = new()
    {
        RegistersLength = 216,
        Arguments = [112, 104, 96, 56],
        Number = 80,
        Result = 80,
        Original = 120,
        InstructionPointer = 128,
        StackPointer = 152,
        RedZone = 128,
        Instruction = [0x0f, 0x05],
        InstructionAlignment = 1,
        Fcntl = 72,
        Ptrace = 101,
        Wait4 = 61,
    };

    private static readonly SystemCallConvention s_arm64 = new()
    {
        RegistersLength = 272,
        Arguments = [0, 8, 16, 24],
        Number = 64,
        Result = 0,
        InstructionPointer = 256,
        StackPointer = 248,
        Instruction = [0x01, 0x00, 0x00, 0xd4],
        InstructionAlignment = 4,
        Fcntl = 25,
        Ptrace = 117,
        Wait4 = 260,
    };

    /// <summary>That of this process's architecture; null if it is not known.</summary>
    internal static SystemCallConvention? Here { get; } = RuntimeInformation.ProcessArchitecture switch
    {
        Architecture.X64 => s_x64,
        Architecture.Arm64 => s_arm64,
        _ => null,
    };

    /// <summary>The length of the registers, in bytes. A program of another word size has another.</summary>
    internal required int RegistersLength { get; init; }

    /// <summary>Where the first arguments are.</summary>
    internal required int[] Arguments { get; init; }

    /// <summary>Where the call's number is.</summary>
    internal required int Number { get; init; }

    /// <summary>Where the result is.</summary>
    internal required int Result { get; init; }

    /// <summary>Where the kernel keeps the number of the call that it is in; null where it does not show it.</summary>
    internal int? Original { get; init; }

    /// <summary>Where the address of the next instruction is.</summary>
    internal required int InstructionPointer { get; init; }

    /// <summary>Where the stack pointer is.</summary>
    internal required int StackPointer { get; init; }

    /// <summary>The number of bytes below the stack pointer that belong to the program.</summary>
    internal int RedZone { get; init; }

    /// <summary>The instruction that enters the kernel.</summary>
    internal required byte[] Instruction { get; init; }

    /// <summary>The alignment of instructions, in bytes.</summary>
    internal required int InstructionAlignment { get; init; }

    /// <summary>The number of fcntl(2).</summary>
    internal required long Fcntl { get; init; }

    /// <summary>The number of ptrace(2).</summary>
    internal required long Ptrace { get; init; }

    /// <summary>The number of wait4(2).</summary>
    internal required long Wait4 { get; init; }

    /// <summary>Sets a register.</summary>
    internal static void Set(Span<byte> registers, int offset, long value) => BinaryPrimitives.WriteInt64LittleEndian(registers[offset..], value);

    /// <summary>Reads a register.</summary>
    internal static long Get(ReadOnlySpan<byte> registers, int offset) => BinaryPrimitives.ReadInt64LittleEndian(registers[offset..]);

    /// <summary>Sets the registers for a call.</summary>
    internal void Prepare(Span<byte> registers, ulong instruction, long number, ReadOnlySpan<long> arguments)
    {
        for (int i = 0; i < arguments.Length; i++)
        {
            Set(registers, Arguments[i], arguments[i]);
        }

        Set(registers, Number, number);
        Set(registers, InstructionPointer, (long)instruction);
        if (Original is { } original)
        {
            // Otherwise the kernel would take these registers for those of the interrupted call, and repeat it.
            Set(registers, original, -1);
        }
    }

    /// <summary>
    /// Lets registers that were read in an interrupted call go on with this call. The kernel of x86-64 does that when it returns from the
    /// stop, which other calls have ended meanwhile; that of arm64 before the stop.
    /// </summary>
    internal void Rewind(Span<byte> registers)
    {
        if (Original is not { } original || Get(registers, original) < 0)
        {
            return;
        }

        switch (-Get(registers, Result))
        {
            case >= ERESTARTSYS and <= ERESTARTNOHAND:
                Set(registers, Result, Get(registers, original));
                Set(registers, InstructionPointer, Get(registers, InstructionPointer) - Instruction.Length);
                break;
            case ERESTART_RESTARTBLOCK:
                Set(registers, Result, -EINTR);
                break;
        }

        Set(registers, original, -1);
    }

    /// <summary>Whether a result says that a signal interrupted the call.</summary>
    internal static bool WasInterrupted(long result) => -result is EINTR or (>= ERESTARTSYS and <= ERESTARTNOHAND);
}
