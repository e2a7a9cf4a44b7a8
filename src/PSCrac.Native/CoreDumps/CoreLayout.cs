using PSCrac.Images.Format;

namespace PSCrac.CoreDumps;

/// <summary>
/// The notes about a thread of one architecture, as the kernel writes them to a core: struct elf_prstatus (include/linux/elfcore.h) with
/// elf_gregset_t (arch/*/include/asm/elf.h), the floating-point registers and further sets of registers (include/uapi/linux/elf.h).
/// The tables say which field of criu's message is where.
/// </summary>
internal sealed record CoreLayout
{
    /// <summary>The offset of the registers in struct elf_prstatus, in bytes: the same for all architectures of 64 bits.</summary>
    internal const int RegistersOffset = 112;

    private const uint X64March = 1;
    private const uint Arm64March = 3;

    /// <summary>x86-64. criu's fields 1 to 27 are the registers in the order of struct user_regs_struct.</summary>
    internal static readonly CoreLayout X64 = new()
    {
        Name = "x64",
        Machine = 62, // EM_X86_64
        InfoField = Wire.CoreEntry.ThreadInfo,
        RegistersField = Wire.ThreadInfoX86.Gpregs,
        Registers = [.. Enumerable.Range(Wire.UserX86RegsEntry.R15, Wire.UserX86RegsEntry.Gs).Select(static field => new RegisterRow(field, (field - 1) * sizeof(ulong), sizeof(ulong)))],
        RegistersSize = Wire.UserX86RegsEntry.Gs * sizeof(ulong),
        FloatingField = Wire.ThreadInfoX86.Fpregs,
        FloatingSize = 512,

        // What fxsave stores.
        Floating =
        [
            new(Wire.UserX86FpregsEntry.Cwd, 0, 2),
            new(Wire.UserX86FpregsEntry.Swd, 2, 2),
            new(Wire.UserX86FpregsEntry.Twd, 4, 2),
            new(Wire.UserX86FpregsEntry.Fop, 6, 2),
            new(Wire.UserX86FpregsEntry.Rip, 8, 8),
            new(Wire.UserX86FpregsEntry.Rdp, 16, 8),
            new(Wire.UserX86FpregsEntry.Mxcsr, 24, 4),
            new(Wire.UserX86FpregsEntry.MxcsrMask, 28, 4),
            new(Wire.UserX86FpregsEntry.StSpace, 32, 4, 32),
            new(Wire.UserX86FpregsEntry.XmmSpace, 160, 4, 64),
        ],
    };

    /// <summary>arm64: struct user_pt_regs, struct user_fpsimd_state, and the thread pointer.</summary>
    internal static readonly CoreLayout Arm64 = new()
    {
        Name = "arm64",
        Machine = 183, // EM_AARCH64
        InfoField = Wire.CoreEntry.TiAarch64,
        RegistersField = Wire.ThreadInfoAarch64.Gpregs,
        Registers =
        [
            new(Wire.UserAarch64RegsEntry.Regs, 0, 8, 31),
            new(Wire.UserAarch64RegsEntry.Sp, 248, 8),
            new(Wire.UserAarch64RegsEntry.Pc, 256, 8),
            new(Wire.UserAarch64RegsEntry.Pstate, 264, 8),
        ],
        RegistersSize = 272,
        FloatingField = Wire.ThreadInfoAarch64.Fpsimd,
        FloatingSize = 528,
        Floating =
        [
            new(Wire.UserAarch64FpsimdContextEntry.Vregs, 0, 8, 64),
            new(Wire.UserAarch64FpsimdContextEntry.Fpsr, 512, 4),
            new(Wire.UserAarch64FpsimdContextEntry.Fpcr, 516, 4),
        ],
        Info = [new(Wire.ThreadInfoAarch64.Tls, 0, 8)],
    };

    /// <summary>The name of the architecture.</summary>
    internal required string Name { get; init; }

    /// <summary>The number of the architecture in an ELF header.</summary>
    internal required ushort Machine { get; init; }

    /// <summary>The field of core_entry with a thread's registers.</summary>
    internal required int InfoField { get; init; }

    /// <summary>The field of that message with the general registers.</summary>
    internal required int RegistersField { get; init; }

    /// <summary>The general registers; offsets count from their first byte.</summary>
    internal required RegisterRow[] Registers { get; init; }

    /// <summary>Their size, in bytes.</summary>
    internal required int RegistersSize { get; init; }

    /// <summary>The field with the floating-point registers.</summary>
    internal required int FloatingField { get; init; }

    /// <summary>The floating-point registers.</summary>
    internal required RegisterRow[] Floating { get; init; }

    /// <summary>Their size, in bytes.</summary>
    internal required int FloatingSize { get; init; }

    /// <summary>What else of the message with the registers is a note of its own: arm64's thread pointer (NT_ARM_TLS); empty for x64.</summary>
    internal RegisterRow[] Info { get; init; } = [];

    /// <summary>The size of struct elf_prstatus, in bytes: behind the registers is an int, pr_fpvalid, and padding.</summary>
    internal int StatusSize => RegistersOffset + RegistersSize + sizeof(ulong);

    /// <summary>The layout of an architecture; null if there is none.</summary>
    /// <param name="march">criu's number.</param>
    internal static CoreLayout? Find(uint march) => march switch
    {
        X64March => X64,
        Arm64March => Arm64,
        _ => null,
    };
}
