using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using PSCrac.Images.Memory;

namespace PSCrac.CoreDumps;

/// <summary>
/// The PT_NOTE segment of a core (elf(5)): the threads with their registers, the main thread first, the process, its auxiliary vector and the
/// files that it had mapped. Structures are those of the kernel's fs/binfmt_elf.c and include/linux/elfcore.h.
/// </summary>
internal sealed class CoreNotes
{
    /// <summary>How much of the arguments is shown, in bytes (ELF_PRARGSZ).</summary>
    internal const int ArgumentsSize = 80;

    // include/uapi/linux/elf.h
    private const uint StatusNote = 1; // NT_PRSTATUS
    private const uint FloatingNote = 2; // NT_PRFPREG
    private const uint ProcessNote = 3; // NT_PRPSINFO
    private const uint AuxiliaryNote = 6; // NT_AUXV
    private const uint ExtendedNote = 0x202; // NT_X86_XSTATE
    private const uint ThreadPointerNote = 0x401; // NT_ARM_TLS
    private const uint FileNote = 0x46494c45; // NT_FILE
    private const uint SignalNote = 0x53494749; // NT_SIGINFO

    private const int Alignment = 4;
    private const int NameOffset = 40;
    private const int NameSize = 16; // pr_fname
    private const int ArgumentsOffset = 56;
    private static readonly byte[] s_padding = new byte[Alignment];
    private readonly ArrayBufferWriter<byte> _notes = new();

    /// <summary>The segment.</summary>
    internal ReadOnlySpan<byte> Bytes => _notes.WrittenSpan;

    /// <summary>Adds a thread.</summary>
    /// <param name="process">Its process.</param>
    /// <param name="thread">The thread.</param>
    /// <param name="addOfProcess">Adds the notes about the process, which follow the status of the main thread; null for another thread.</param>
    internal void AddThread(CracImageProcess process, CoreThread thread, Action? addOfProcess)
    {
        byte[] status = new byte[thread.Layout.StatusSize];
        Put64(status, 16, thread.PendingSignals);
        Put64(status, 24, thread.BlockedSignals);
        PutIds(status, 32, process, thread.ThreadId);
        thread.Registers.CopyTo(status.AsSpan(CoreLayout.RegistersOffset));
        BinaryPrimitives.WriteInt32LittleEndian(status.AsSpan(CoreLayout.RegistersOffset + thread.Layout.RegistersSize), 1); // pr_fpvalid
        Add("CORE", StatusNote, status);
        addOfProcess?.Invoke();
        AddIfAny("CORE", SignalNote, thread.Signal);
        Add("CORE", FloatingNote, thread.Floating);
        AddIfAny("LINUX", ExtendedNote, thread.Extended);
        AddIfAny("LINUX", ThreadPointerNote, thread.ThreadPointer);
    }

    /// <summary>Adds struct elf_prpsinfo.</summary>
    /// <param name="process">The process.</param>
    /// <param name="main">Its main thread.</param>
    /// <param name="arguments">The beginning of its arguments, each with a zero behind it; empty if they are not to be had.</param>
    internal void AddProcess(CracImageProcess process, CoreThread main, ReadOnlySpan<byte> arguments)
    {
        byte[] info = new byte[ArgumentsOffset + ArgumentsSize];
        bool isStopped = process.State == CracProcessState.Stopped;
        info[0] = (byte)(isStopped ? 3 : 0);
        info[1] = (byte)(isStopped ? 'T' : 'R');
        info[3] = (byte)main.Nice;
        BinaryPrimitives.WriteUInt32LittleEndian(info.AsSpan(16), main.UserId);
        BinaryPrimitives.WriteUInt32LittleEndian(info.AsSpan(20), main.GroupId);
        PutIds(info, 24, process, process.ProcessId);
        PutText(info.AsSpan(NameOffset, NameSize), Encoding.UTF8.GetBytes(process.Command));
        Span<byte> shown = info.AsSpan(ArgumentsOffset, ArgumentsSize);
        PutText(shown, arguments);
        shown[..Math.Min(arguments.Length, ArgumentsSize - 1)].Replace((byte)0, (byte)' ');
        Add("CORE", ProcessNote, info);
    }

    /// <summary>Adds the auxiliary vector, with the AT_NULL at its end that criu leaves out.</summary>
    internal void AddAuxiliaryVector(IReadOnlyList<ulong> vector)
    {
        if (vector.Count == 0)
        {
            return;
        }

        bool isEnded = vector.Count >= 2 && vector[^2] == 0;
        byte[] bytes = new byte[(vector.Count + (isEnded ? 0 : 2)) * sizeof(ulong)];
        for (int i = 0; i < vector.Count; i++)
        {
            Put64(bytes, i * sizeof(ulong), vector[i]);
        }

        Add("CORE", AuxiliaryNote, bytes);
    }

    /// <summary>Adds the files that areas are mapped from: their addresses and offsets, then their names.</summary>
    /// <param name="areas">The areas of the process.</param>
    /// <param name="pageSize">The size of a page, in bytes, in which the note counts offsets.</param>
    /// <param name="nameOf">The path of a file by its id, as /proc/PID/maps has it.</param>
    internal void AddFiles(ReadOnlySpan<MappedArea> areas, int pageSize, Func<uint, string> nameOf)
    {
        const AreaStatus OfFile = AreaStatus.FilePrivate | AreaStatus.FileShared | AreaStatus.MemFd;
        const int HeadSize = 2 * sizeof(ulong);
        const int EntrySize = 3 * sizeof(ulong);
        int count = 0;
        foreach (MappedArea area in areas)
        {
            count += (area.Status & OfFile) != 0 ? 1 : 0;
        }

        if (count == 0)
        {
            return;
        }

        byte[] table = new byte[HeadSize + (count * EntrySize)];
        Put64(table, 0, (ulong)count);
        Put64(table, 8, (ulong)pageSize);
        var names = new ArrayBufferWriter<byte>();
        int at = HeadSize;
        foreach (MappedArea area in areas)
        {
            if ((area.Status & OfFile) != 0)
            {
                Put64(table, at, area.Start);
                Put64(table, at + 8, area.End);
                Put64(table, at + 16, area.FileOffset / (ulong)pageSize);
                at += EntrySize;
                names.Write(Encoding.UTF8.GetBytes(nameOf((uint)area.ShmId) + '\0'));
            }
        }

        Add("CORE", FileNote, table, names.WrittenSpan);
    }

    private static void PutIds(byte[] target, int offset, CracImageProcess process, int id)
    {
        ReadOnlySpan<int> ids = [id, process.ParentProcessId, process.ProcessGroupId, process.SessionId];
        for (int i = 0; i < ids.Length; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(target.AsSpan(offset + (i * sizeof(int))), ids[i]);
        }
    }

    // Ends with at least one zero.
    private static void PutText(Span<byte> target, ReadOnlySpan<byte> text) => text[..Math.Min(text.Length, target.Length - 1)].CopyTo(target);

    private static void Put64(byte[] target, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(target.AsSpan(offset), value);

    private void AddIfAny(string owner, uint type, byte[] content)
    {
        if (content.Length > 0)
        {
            Add(owner, type, content);
        }
    }

    private void Add(string owner, uint type, ReadOnlySpan<byte> content, ReadOnlySpan<byte> rest = default)
    {
        Span<byte> head = stackalloc byte[20];
        head.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(head, owner.Length + 1);
        BinaryPrimitives.WriteInt32LittleEndian(head[4..], content.Length + rest.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(head[8..], type);
        Encoding.ASCII.GetBytes(owner, head[12..]);
        _notes.Write(head);
        _notes.Write(content);
        _notes.Write(rest);
        _notes.Write(s_padding.AsSpan(0, -_notes.WrittenCount & (Alignment - 1)));
    }
}
