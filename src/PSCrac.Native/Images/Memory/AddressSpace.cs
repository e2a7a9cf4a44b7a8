using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Memory;

/// <summary>The kind of a mapped area: criu's VMA_ bits, without those that PSCrac does not use.</summary>
[Flags]
internal enum AreaStatus : uint
{
    None = 0,
    Regular = 1 << 0,
    Stack = 1 << 1,
    Vsyscall = 1 << 2,
    Vdso = 1 << 3,
    Heap = 1 << 5,
    FilePrivate = 1 << 6,
    FileShared = 1 << 7,
    AnonymousShared = 1 << 8,
    AnonymousPrivate = 1 << 9,
    SystemV = 1 << 10,
    Socket = 1 << 11,
    Vvar = 1 << 12,
    AioRing = 1 << 13,
    MemFd = 1 << 14,
    ShadowStack = 1 << 15,
    Guard = 1 << 16,
    Uprobes = 1 << 17,
}

/// <summary>A mapped area of mm-PID.img.</summary>
internal readonly record struct MappedArea(ulong Start, ulong End, ulong FileOffset, ulong ShmId, uint Protection, uint Flags, AreaStatus Status)
{
    private const uint MapShared = 1;

    internal ulong Length => End - Start;

    internal bool IsShared => (Flags & MapShared) != 0;
}

/// <summary>The address space of a process: mm-PID.img.</summary>
internal sealed class AddressSpace
{
    /// <summary>The memory that an area takes, in bytes.</summary>
    internal const int AreaSize = 48;

    // Above the kernel's own (AT_VECTOR_SIZE).
    private const int MaximumAuxiliaryValues = 256;

    private MappedArea[] _areas = [];
    private ulong _stack;
    private ulong _heapStart;
    private ulong _heapEnd;

    internal ulong ArgumentsStart { get; private set; }

    internal ulong ArgumentsEnd { get; private set; }

    internal ulong EnvironmentStart { get; private set; }

    internal ulong EnvironmentEnd { get; private set; }

    internal uint ExecutableId { get; private set; }

    /// <summary>The auxiliary vector: types and values in turn (getauxval(3)). criu leaves out the last pair, AT_NULL.</summary>
    internal IReadOnlyList<ulong> AuxiliaryVector { get; private set; } = [];

    /// <summary>
    /// The areas, ordered by address, without overlap. Guard areas are left out: they are inside other
    /// areas and listed after them.
    /// </summary>
    internal ReadOnlySpan<MappedArea> Areas => _areas;

    /// <summary>Whether an area is the main thread's stack: it contains the start of the stack.</summary>
    internal bool IsStack(in MappedArea area) => (area.Status & AreaStatus.Stack) != 0 || (area.Start <= _stack && _stack < area.End);

    /// <summary>Whether an area is the heap, between the start and the end that brk(2) sets.</summary>
    internal bool IsHeap(in MappedArea area) =>
        (area.Status & AreaStatus.Heap) != 0 || (area.Start < _heapEnd && area.End > _heapStart && (area.Status & AreaStatus.AnonymousPrivate) != 0);

    /// <summary>Reads a process's address space; null if it has none (a zombie).</summary>
    internal static AddressSpace? Read(ImageSource source, int processId)
    {
        using ImageEntryReader? entries = source.TryOpenEntries($"mm-{(uint)processId}.img", ImageType.Mm);
        if (entries is null)
        {
            return null;
        }

        entries.MoveToFirst();
        var space = new AddressSpace();
        var areas = new List<MappedArea>();
        var auxiliary = new List<ulong>();
        ProtobufReader entry = entries.Reader;
        while (entry.MoveNext())
        {
            switch (entry.Field)
            {
                case Wire.MmEntry.MmStartStack:
                    space._stack = entry.ReadUInt64();
                    break;
                case Wire.MmEntry.MmStartBrk:
                    space._heapStart = entry.ReadUInt64();
                    break;
                case Wire.MmEntry.MmBrk:
                    space._heapEnd = entry.ReadUInt64();
                    break;
                case Wire.MmEntry.MmArgStart:
                    space.ArgumentsStart = entry.ReadUInt64();
                    break;
                case Wire.MmEntry.MmArgEnd:
                    space.ArgumentsEnd = entry.ReadUInt64();
                    break;
                case Wire.MmEntry.MmEnvStart:
                    space.EnvironmentStart = entry.ReadUInt64();
                    break;
                case Wire.MmEntry.MmEnvEnd:
                    space.EnvironmentEnd = entry.ReadUInt64();
                    break;
                case Wire.MmEntry.ExeFileId:
                    space.ExecutableId = entry.ReadUInt32();
                    break;
                case Wire.MmEntry.MmSavedAuxv:
                    entry.AddTo(auxiliary, MaximumAuxiliaryValues);
                    break;
                case Wire.MmEntry.Vmas:
                    long offset = entry.FieldOffset;
                    AddArea(areas, ReadArea(entry.ReadMessage()), entries.File, offset);
                    break;
                default:
                    entry.Skip();
                    break;
            }
        }

        entry.RequireFields(Wire.MmEntry.Required);
        space._areas = [.. areas];
        space.AuxiliaryVector = auxiliary;
        return space;
    }

    /// <summary>The index of the area that contains an address; -1 if none does.</summary>
    internal int IndexOf(ulong address)
    {
        int low = 0;
        int high = _areas.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            if (address < _areas[middle].Start)
            {
                high = middle - 1;
            }
            else if (address >= _areas[middle].End)
            {
                low = middle + 1;
            }
            else
            {
                return middle;
            }
        }

        return -1;
    }

    private static void AddArea(List<MappedArea> areas, MappedArea area, ImageFile file, long offset)
    {
        if ((area.Status & AreaStatus.Guard) != 0)
        {
            return;
        }

        if (area.End < area.Start || (areas.Count > 0 && area.Start < areas[^1].End))
        {
            ImageFault.Corrupt(file, offset, $"the area 0x{area.Start:x}-0x{area.End:x} ends before its start, or overlaps the previous one");
        }

        areas.Add(area);
    }

    private static MappedArea ReadArea(ProtobufReader entry)
    {
        ulong start = 0;
        ulong end = 0;
        ulong fileOffset = 0;
        ulong shmId = 0;
        uint protection = 0;
        uint flags = 0;
        uint status = 0;
        while (entry.MoveNext())
        {
            switch (entry.Field)
            {
                case Wire.VmaEntry.Start:
                    start = entry.ReadUInt64();
                    break;
                case Wire.VmaEntry.End:
                    end = entry.ReadUInt64();
                    break;
                case Wire.VmaEntry.Pgoff:
                    fileOffset = entry.ReadUInt64();
                    break;
                case Wire.VmaEntry.Shmid:
                    shmId = entry.ReadUInt64();
                    break;
                case Wire.VmaEntry.Prot:
                    protection = entry.ReadUInt32();
                    break;
                case Wire.VmaEntry.Flags:
                    flags = entry.ReadUInt32();
                    break;
                case Wire.VmaEntry.Status:
                    status = entry.ReadUInt32();
                    break;
                default:
                    entry.Skip();
                    break;
            }
        }

        entry.RequireFields(Wire.VmaEntry.Required);
        return new MappedArea(start, end, fileOffset, shmId, protection, flags, (AreaStatus)status);
    }
}
